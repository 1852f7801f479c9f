import { Errno, FopError } from '@glusterts/libglusterfs';
import type { FuseBridge } from './bridge.js';
import type { FuseBody } from './decode.js';
import { access, getattr, readlink, setattr, statfs } from './ops-attr.js';
import { fsyncdir, opendir, readdir, readdirplus } from './ops-dir.js';
import { link, lookup, mkdir, mknod, rename, rmdir, symlink, unlink } from './ops-entry.js';
import { create, fallocate, flush, fsync, lseek, open, read, write } from './ops-file.js';
import { getlk, setlk } from './ops-lock.js';
import { getxattr, listxattr, removexattr, setxattr } from './ops-xattr.js';
import type { ReplyBody, Request } from './request.js';

/** Serves one request (spec/client.md, §6.8): resolves with what follows the reply's header, or throws the error. */
export function dispatch(bridge: FuseBridge, request: Request, body: FuseBody): Promise<ReplyBody> | ReplyBody {
  switch (body.op) {
    case 'lookup': return lookup(bridge, request, body.name);
    case 'getattr': return getattr(bridge, request, body.fh);
    case 'setattr': return setattr(bridge, request, body);
    case 'readlink': return readlink(bridge, request);
    case 'symlink': return symlink(bridge, request, body.name, body.target);
    case 'mknod': return mknod(bridge, request, body);
    case 'mkdir': return mkdir(bridge, request, body);
    case 'unlink': return unlink(bridge, request, body.name);
    case 'rmdir': return rmdir(bridge, request, body.name);
    case 'rename': return rename(bridge, request, body);
    case 'link': return link(bridge, request, body.oldnodeid, body.name);
    case 'open': return open(bridge, request, body.flags);
    case 'create': return create(bridge, request, body);
    case 'read': return read(bridge, request, body);
    case 'write': return write(bridge, request, body);
    case 'statfs': return statfs(bridge, request);
    case 'flush': return flush(bridge, request, body.fh, body.owner);
    case 'fsync': return fsync(bridge, request, body.fh, body.datasync);
    case 'fsyncdir': return fsyncdir(bridge, request, body.fh, body.datasync);
    case 'setxattr': return setxattr(bridge, request, body.name, body.value, body.flags);
    case 'getxattr': return getxattr(bridge, request, body.name, body.size);
    case 'listxattr': return listxattr(bridge, request, body.size);
    case 'removexattr': return removexattr(bridge, request, body.name);
    case 'opendir': return opendir(bridge, request, body.flags);
    case 'readdir': return readdir(bridge, request, body);
    case 'readdirplus': return readdirplus(bridge, request, body);
    case 'getlk': return getlk(bridge, request, body);
    case 'setlk':
    case 'setlkw':
      return setlk(bridge, request, body);
    case 'access': return access(bridge, request, body.mask);
    case 'fallocate': return fallocate(bridge, request, body);
    case 'lseek': return lseek(bridge, request, body);
    // Served before they come here.
    case 'release':
    case 'releasedir':
    case 'init':
    case 'forget':
    case 'interrupt':
    case 'destroy':
    case 'unsupported':
      throw new FopError(Errno.ENOSYS);
  }
}

/** The body of one kind of request. */
export type BodyOf<Op extends FuseBody['op']> = FuseBody extends infer B ? (B extends { readonly op: infer P } ? (Op extends P ? B : never) : never) : never;
