// auto_unmount: a process that outlives this one takes the mount point away.
#ifndef GLUSTERTS_FUSE_WATCH_H
#define GLUSTERTS_FUSE_WATCH_H

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

// Starts it for a mount point. Returns the fd whose end it waits for, or -errno; `pid`: the process.
int fuse_watch_start(const char *target, pid_t *pid);
// The mount point is gone already: ends the process and closes the fd.
void fuse_watch_stop(int fd, pid_t pid);

#ifdef __cplusplus
}
#endif

#endif
