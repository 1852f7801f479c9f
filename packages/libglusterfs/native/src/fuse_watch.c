#include "fuse_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

// A word on standard input: all is well. Its end: whoever held the other side has died. A shell, and not a fork of this process:
// it has neither our name, by which we may be killed, nor our memory, nor our device.
#define SCRIPT "trap '' HUP INT QUIT TERM; read -r word || exec umount -l \"$0\""

int fuse_watch_start(const char *target, pid_t *pid) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  char *argv[] = {"sh", "-c", SCRIPT, (char *)target, NULL};
  int error = posix_spawn(pid, "/bin/sh", &actions, &attributes, argv, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[0]);
  if (!error) return ends[1];
  close(ends[1]);
  return -error;
}

void fuse_watch_stop(int fd, pid_t pid) {
  // Whoever killed it has closed the pipe: a SIGPIPE is ours to survive.
  void (*handler)(int) = signal(SIGPIPE, SIG_IGN);
  while (write(fd, "\n", 1) < 0 && errno == EINTR) {
  }
  signal(SIGPIPE, handler);
  close(fd);
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
  }
}
