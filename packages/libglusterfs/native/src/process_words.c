#include "process_words.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

// Where the kernel has the words: fields 48 and 49 of /proc/self/stat, of which the second's parentheses may hold anything.
static int words_at(char **begin, char **end) {
  char text[2048];
  FILE *file = fopen("/proc/self/stat", "re");
  if (!file) return errno;
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = 0;
  const char *at = strrchr(text, ')');
  // The parenthesis ends field 2; each blank after it begins another.
  for (int field = 2; at && field < 48; field++) at = strchr(at + 1, ' ');
  uintptr_t from, to;
  if (!at || sscanf(at, " %lu %lu", &from, &to) != 2 || from == 0 || to <= from) return ENOENT;
  *begin = (char *)from;
  *end = (char *)to;
  return 0;
}

int process_words_without(size_t index) {
  char *begin, *end;
  int error = words_at(&begin, &end);
  if (error != 0) return error;
  char *word = begin;
  for (size_t i = 0; i < index; i++) {
    word = memchr(word, 0, (size_t)(end - word));
    if (!word || ++word >= end) return EINVAL;
  }
  char *next = memchr(word, 0, (size_t)(end - word));
  if (!next) return EINVAL;
  next++;
  size_t cut = (size_t)(next - word);
  memmove(word, next, (size_t)(end - next));
  memset(end - cut, 0, cut);
  // Without CAP_SYS_RESOURCE the end stays, and empty words follow, which ps leaves out.
  prctl(PR_SET_MM, PR_SET_MM_ARG_END, (unsigned long)(end - cut), 0, 0);
  return 0;
}
