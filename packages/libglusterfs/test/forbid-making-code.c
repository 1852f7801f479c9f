/* Runs a program that may not make memory executable, as under SELinux: forbid-making-code PROGRAM ARGUMENTS. */
#include <sys/prctl.h>
#include <unistd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

int main(int argc, char **argv) {
  if (argc < 2 || prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0) return 2;
  execv(argv[1], argv + 1);
  return 3;
}
