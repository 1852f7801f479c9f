// The words of this process's command line, as others see them.
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// Takes word `index` (0 is the program's name) out of /proc/PID/cmdline, so that it reads as if that had never been given; without CAP_SYS_RESOURCE
// empty words are left at its end. 0 or an errno: EINVAL when there is no such word; then nothing is changed.
int process_words_without(size_t index);

#ifdef __cplusplus
}
#endif
