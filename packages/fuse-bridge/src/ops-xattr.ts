import { type Bytes, ClientPid, Dict, Errno, FopError, gfidToBuffer, gfidToString } from '@glusterts/libglusterfs';
import type { FuseBridge } from './bridge.js';
import { encodeSize } from './encode.js';
import type { FuseOptions } from './options.js';
import { XATTR_SIZE_MAX } from './protocol.js';
import type { ReplyBody, Request } from './request.js';
import { inodeLoc, resolveInode, staleIfAbsent } from './resolve.js';

const POSIX_ACL = /^system\.posix_acl_(access|default)$/;
/** Names that only the bricks may set (spec/client.md, §7.1). */
const RESERVED: ReadonlySet<string> = new Set(['trusted.gfid', 'trusted.glusterfs.volume-id']);
/** What geo-replication's worker may set; the rest of its sets are silently dropped. */
const GSYNCD_NAMES: readonly RegExp[] = [
  /^user\./, /\.glusterfs\..*\.xtime$/, /\.glusterfs\.volume-mark(\..*)?$/, /^system\.posix_acl_access$/, /^glusterfs\.gfid\.newfile$/,
  /\.glusterfs\.shard\.(block|file)-size$/, /\.glusterfs\.lockinfo$/,
];

/** Whether the mount's options keep a name from the layers below (spec/client.md, §7.3). */
function withheld(options: FuseOptions, name: Bytes): 'acl' | 'security' | undefined {
  if (!options.acl && name.startsWith('system.') && POSIX_ACL.test(name)) return 'acl';
  if (name === 'security.selinux' && !options.selinux) return 'security';
  if (name === 'security.capability' && !options.capability && !options.selinux) return 'security';
  return undefined;
}

/** The errno of a GETXATTR that is not passed on: the kernel asks for security.capability before every write. */
export function refusedXattr(options: FuseOptions, name: Bytes): Errno | undefined {
  const reason = withheld(options, name);
  return reason === undefined ? undefined : reason === 'acl' ? Errno.EOPNOTSUPP : Errno.ENODATA;
}

function gsyncdName(options: FuseOptions, name: Bytes): Bytes {
  if (options['client-pid'] !== ClientPid.GSYNCD) return name;
  return /^system\.glusterfs\.(volume-mark.*|.*\.xtime)$/.test(name) ? (`trusted.${name.slice('system.'.length)}` as Bytes) : name;
}

export async function setxattr(bridge: FuseBridge, request: Request, name: Bytes, value: Uint8Array, flags: number): Promise<ReplyBody> {
  const { options } = bridge;
  if (options['client-pid'] === ClientPid.GSYNCD && !GSYNCD_NAMES.some((pattern) => pattern.test(name))) return undefined;
  if (withheld(options, name)) throw new FopError(Errno.EOPNOTSUPP);
  if (value.length > XATTR_SIZE_MAX) throw new FopError(Errno.E2BIG);
  try {
    const inode = await resolveInode(bridge, request, request.header.nodeid);
    if (name === 'inode-invalidate') {
      if (!bridge.invalidator.entries(inode)) throw new FopError(Errno.EBUSY);
      return undefined;
    }
    if (RESERVED.has(name)) throw new FopError(Errno.EPERM);
    const dict = new Dict().setBin(gsyncdName(options, name), value);
    await request.graph.top.setxattr(request.frame, inodeLoc(request, inode), dict, flags, undefined);
    return undefined;
  } catch (error) {
    throw staleIfAbsent(error);
  }
}

export async function removexattr(bridge: FuseBridge, request: Request, name: Bytes): Promise<ReplyBody> {
  if (RESERVED.has(name)) throw new FopError(Errno.EPERM);
  try {
    const inode = await resolveInode(bridge, request, request.header.nodeid);
    await request.graph.top.removexattr(request.frame, inodeLoc(request, inode), gsyncdName(bridge.options, name), undefined);
    return undefined;
  } catch (error) {
    throw staleIfAbsent(error);
  }
}

/** A value as the caller has room for it (spec/client.md, §7.2). */
function sized(value: Uint8Array, size: number): Buffer {
  if (value.length > XATTR_SIZE_MAX) throw new FopError(Errno.E2BIG);
  if (size === 0) return encodeSize(value.length);
  if (size < value.length) throw new FopError(Errno.ERANGE);
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

export async function getxattr(bridge: FuseBridge, request: Request, name: Bytes, size: number): Promise<ReplyBody> {
  const { options } = bridge;
  try {
    const inode = await resolveInode(bridge, request, request.header.nodeid);
    if (name === 'glusterfs.gfid') return sized(gfidToBuffer(inode.gfid), size);
    if (name === 'glusterfs.gfid.string') return sized(Buffer.from(gfidToString(inode.gfid)), size);
    const key = gsyncdName(options, name);
    const { dict } = await request.graph.top.getxattr(request.frame, inodeLoc(request, inode), key, undefined);
    const value = dict.getBin(key) ?? dict.getBin(name);
    if (value === undefined) throw new FopError(Errno.ENODATA);
    return sized(value, size);
  } catch (error) {
    throw staleIfAbsent(error);
  }
}

export async function listxattr(bridge: FuseBridge, request: Request, size: number): Promise<ReplyBody> {
  try {
    const inode = await resolveInode(bridge, request, request.header.nodeid);
    const { dict } = await request.graph.top.getxattr(request.frame, inodeLoc(request, inode), undefined, undefined);
    const names = dict.keys().map((key) => `${key}\0`);
    return sized(Buffer.from(names.join(''), 'latin1'), size);
  } catch (error) {
    throw staleIfAbsent(error);
  }
}
