/** GlusterFS's own places, as its packages are built (spec/cli.md, §9). */
export const LOG_DIRECTORY = '/var/log/glusterfs';
export const RUN_DIRECTORY = '/var/run/gluster';
export const WORK_DIRECTORY = '/var/lib/glusterd';
export const LIBEXEC_DIRECTORY = '/usr/lib/x86_64-linux-gnu/glusterfs';
export const XLATOR_DIRECTORY = '/usr/lib/x86_64-linux-gnu/glusterfs/10.3/xlator';
/** The release that we are compatible with. */
export const VERSION = '10.3';

/** What a program serves when it is told of neither a volfile nor a server. */
export function defaultVolfile(program: string): string {
  return `/etc/glusterfs/${program}.vol`;
}
