import { type Bytes, Errno, FopError, type Logger, OpenFlag, type Platform, fusermountDevice, umountFuse, watchMountPoint } from '@glusterts/libglusterfs';
import type { FuseOptions } from './options.js';

/** Flags of mount(2), and the words for them; `false`: the word clears the flag. */
const FLAGS: Readonly<Record<string, readonly [number, boolean]>> = {
  ro: [1, true], nosuid: [2, true], nodev: [4, true], noexec: [8, true], sync: [16, true], dirsync: [128, true], noatime: [1024, true],
  rw: [1, false], suid: [2, false], dev: [4, false], exec: [8, false], async: [16, false], atime: [1024, false],
};
const MNT_DETACH = 2;
const FS_TYPE = 'fuse.glusterfs' as Bytes;

/** What mount(2) is called with. */
export interface MountCall {
  readonly source: Bytes;
  readonly flags: number;
  /** Without `fd=…` and what follows it. */
  readonly data: string;
  readonly autoUnmount: boolean;
}

/** Words and flags of the mount, as GlusterFS puts them together (spec/client.md, §2.2); but max_read is our largest READ. */
export function mountCall(options: FuseOptions): MountCall {
  const words = [
    ...(options.acl ? [] : ['default_permissions']),
    ...(options['read-only'] ? ['ro'] : []),
    ...options['fuse-mountopts'].split(',').filter(Boolean),
    'allow_other',
    `max_read=${options['max-io-size']}`,
  ];
  let flags = 0;
  let autoUnmount = false;
  const rest: string[] = [];
  for (const word of words) {
    const flag = FLAGS[word];
    if (flag) flags = flag[1] ? flags | flag[0] : flags & ~flag[0];
    else if (word === 'auto_unmount') autoUnmount = true;
    else rest.push(word);
  }
  return { source: options.fsname as Bytes, flags, data: rest.join(','), autoUnmount };
}

/** The `fd=…` and the rest of the string for mount(2). */
export function mountData(call: MountCall, fd: number, uid: number, gid: number): Bytes {
  return (`${call.data},fd=${fd},rootmode=40000,user_id=${uid},group_id=${gid}`) as Bytes;
}

/** A file system that is mounted. */
export interface MountedDevice {
  /** Its /dev/fuse. */
  readonly fd: number;
  /** Of auto_unmount: to be called when the mount point is gone. */
  readonly unwatch: (() => void) | undefined;
}

/** Mounts: with mount(2), or through fusermount3 when that is not allowed. Throws a FopError. */
export function mountFuse(platform: Platform, options: FuseOptions, log: Logger, ids: { uid: number; gid: number }): MountedDevice {
  const { storage } = platform;
  const call = mountCall(options);
  const target = options.mountpoint as Bytes;
  const fd = storage.open('/dev/fuse' as Bytes, OpenFlag.RDWR, 0);
  if (fd >= 0) {
    // Not through fusermount3: that looks whether the device still answers, and a process that dies may not have closed it by then.
    const unwatch = call.autoUnmount ? watchMountPoint(target) : undefined;
    const data = mountData(call, fd, ids.uid, ids.gid);
    let result = storage.mount(call.source, target, FS_TYPE, call.flags, data);
    if (result === -Errno.ENODEV) result = storage.mount(`glusterfs#${call.source}` as Bytes, target, 'fuse' as Bytes, call.flags, data);
    if (result >= 0) return { fd, unwatch };
    unwatch?.();
    storage.close(fd);
    if (result === -Errno.ENOENT) log.error(0, `mountpoint ${options.mountpoint} does not exist`);
    if (result === -Errno.ENOTDIR) log.error(0, `mountpoint ${options.mountpoint} is not a directory`);
    if (result !== -Errno.EPERM) throw new FopError(-result, undefined, `cannot mount on ${options.mountpoint}`);
  } else if (fd !== -Errno.EACCES && fd !== -Errno.EPERM) {
    throw new FopError(-fd, undefined, 'cannot open /dev/fuse');
  }
  log.debug(0, 'mount(2) is not allowed; mounting with fusermount3');
  return { fd: throughFusermount(options, call), unwatch: undefined };
}

function throughFusermount(options: FuseOptions, call: MountCall): number {
  const words = [
    call.data,
    ...Object.entries(FLAGS).filter(([, [flag, set]]) => set && call.flags & flag).map(([word]) => word),
    ...(call.autoUnmount ? ['auto_unmount'] : []),
    `fsname=${call.source.replaceAll(',', '\\,')}`,
    'subtype=glusterfs',
  ];
  const fd = fusermountDevice(['fusermount3', '-o', words.join(','), '--', options.mountpoint] as Bytes[], call.autoUnmount);
  if (fd < 0) throw new FopError(-fd, undefined, `fusermount3 cannot mount on ${options.mountpoint}`);
  return fd;
}

/** Takes the mount point away at once; files that are open stay until they are closed. 0, or −errno. */
export function unmountFuse(mountpoint: string): Promise<number> {
  return umountFuse(mountpoint as Bytes, MNT_DETACH);
}

/**
 * As a user who may not call umount2: through fusermount3. Only when the device is closed already, for this blocks, and the kernel
 * must not wait for us meanwhile.
 */
export function unmountThroughFusermount(mountpoint: string): void {
  // It sends no device, which is no news.
  fusermountDevice(['fusermount3', '-u', '-q', '-z', '--', mountpoint] as Bytes[], false);
}

/**
 * Lets the kernel read ahead as far as one READ goes: its default for a FUSE mount is 128 KiB. Only root may; others, and
 * systems without sysfs, keep the default.
 */
export function raiseReadahead(platform: Platform, options: FuseOptions): boolean {
  const { storage } = platform;
  const device = mountDevice(readAll(platform, '/proc/self/mountinfo'), options.mountpoint);
  if (device === undefined) return false;
  const fd = storage.open(`/sys/class/bdi/${device}/read_ahead_kb` as Bytes, OpenFlag.WRONLY, 0);
  if (fd < 0) return false;
  const written = storage.pwritev(fd, [Buffer.from(`${options['max-io-size'] / 1024}\n`)], 0);
  storage.close(fd);
  return written > 0;
}

/** `MAJOR:MINOR` of the last mount on a path, out of /proc/self/mountinfo. */
export function mountDevice(mountinfo: string, mountpoint: string): string | undefined {
  let device: string | undefined;
  const escaped = mountpoint.replace(/[ \t\n\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`);
  for (const line of mountinfo.split('\n')) {
    const words = line.split(' ');
    if (words[4] === escaped) device = words[2];
  }
  return device;
}

const READ_SIZE = 65536;
const TEXT_SIZE_MAX = 64 << 20;

function readAll(platform: Platform, path: string): string {
  const { storage } = platform;
  const fd = storage.open(path as Bytes, OpenFlag.RDONLY, 0);
  if (fd < 0) return '';
  const parts: string[] = [];
  const chunk = Buffer.allocUnsafe(READ_SIZE);
  for (let at = 0; at < TEXT_SIZE_MAX; ) {
    const size = storage.preadv(fd, [chunk], at, false);
    if (size <= 0) break;
    parts.push(chunk.toString('latin1', 0, size));
    at += size;
  }
  storage.close(fd);
  return parts.join('');
}
