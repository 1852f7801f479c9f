import { readFileSync } from 'node:fs';
import { Dict, DictType, type DictValue, type Fd, type Flock, type Frame, type Iatt, type IoVec, type Loc, NULL_GFID, valueBytes } from '@glusterts/libglusterfs';
import { GENERATION } from '../src/version-xattrs.js';

/** A call to a brick in the fields that the vectors tell (vectors/ec/README.md); values of dicts as `type:value`. */
export interface Call {
  readonly at: number;
  readonly client: string;
  readonly brick: number;
  readonly proc: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** The calls of a vector, in the order in which they were sent; answers and callbacks left out. */
export function callsOf(vector: string): Call[] {
  const calls: Call[] = [];
  for (const line of readFileSync(new URL(`vectors/${vector}`, import.meta.url), 'utf8').split('\n')) {
    const [, at, client, brick, proc, json] = /^ *([\d.]+) (\w) brick(\d) call#\d+ (\w+) (\{.*\})$/.exec(line) ?? [];
    if (at === undefined || client === undefined || proc === undefined) continue;
    const fields = JSON.parse(json ?? '{}') as Record<string, unknown>;
    // The credential's process id is the machine's.
    if (typeof fields['cred'] === 'string') fields['cred'] = fields['cred'].replace(/^pid=\d+ /, '');
    calls.push({ at: Number(at), client, brick: Number(brick), proc, fields });
  }
  return calls;
}

const hex = (text: string): string => Buffer.from(text, 'latin1').toString('hex');
const octal = (value: number): string => `0o${value.toString(8)}`;
const TYPES: Readonly<Record<number, string>> = { [DictType.INT]: 'int', [DictType.UINT]: 'uint', [DictType.STR]: 'str', [DictType.PTR]: 'ptr', [DictType.GFUUID]: 'uuid' };

function told(value: DictValue): string {
  const type = TYPES[value.type] ?? String(value.type);
  switch (value.type) {
    case DictType.INT:
    case DictType.UINT:
    case DictType.STR:
      return `${type}:${value.value}`;
    case DictType.GFUUID:
      return `${type}:${hex(value.value)}`;
    default:
      return `${type}:${Buffer.from(valueBytes(value) ?? []).toString('hex')}`;
  }
}

/** Lock numbers are asked for by our own extension (docs/architecture.md), which other bricks pass over. */
export function dictOf(dict: unknown): Record<string, string> {
  return dict instanceof Dict ? Object.fromEntries(dict.entries().filter(([key]) => key !== GENERATION && key !== 'glusterts.along' && key !== 'glusterts.unlock-also').map(([key, value]) => [key, told(value)])) : {};
}

const gfidOf = (loc: Loc): string => hex(loc.targetGfid);
const ofFd = (fd: Fd): object => ({ gfid: hex(fd.inode.gfid), fd: fd.anonymous ? -2 : 0 });
/** The owner of an internal lock is the client's own, uid and gid are root's. */
const credOf = (frame: Frame): string => `uid=${frame.uid} lk_owner=${hex(frame.lk_owner)}`;
const flockOf = (flock: Flock): object => ({ type: flock.type, whence: flock.whence, start: Number(flock.start), len: Number(flock.len), pid: flock.pid, owner: hex(flock.owner) });

type Args = readonly unknown[];

/** What the vectors tell of each procedure, from the arguments of the fop. */
const FIELDS: Readonly<Record<string, readonly [proc: string, fields: (args: Args) => object]>> = {
  lookup: ['LOOKUP', ([, loc, xdata]) => ({ gfid: gfidOf(loc as Loc), pargfid: (loc as Loc).name === '' ? hex(NULL_GFID) : hex((loc as Loc).parentGfid), flags: 0, name: (loc as Loc).name, xdata: dictOf(xdata) })],
  inodelk: ['INODELK', ([frame, volume, loc, cmd, flock, xdata]) => ({ gfid: gfidOf(loc as Loc), cmd, type: (flock as Flock).type, flock: flockOf(flock as Flock), volume, xdata: dictOf(xdata), cred: credOf(frame as Frame) })],
  create: ['CREATE', ([, loc, flags, mode, umask, , xdata]) => ({ flags: octal(flags as number), mode: octal(mode as number), umask: octal(umask as number), name: (loc as Loc).name, xdata: dictOf(xdata) })],
  fxattrop: ['FXATTROP', ([, fd, flags, dict, xdata]) => ({ ...ofFd(fd as Fd), flags, dict: dictOf(dict), xdata: dictOf(xdata) })],
  xattrop: ['XATTROP', ([, loc, flags, dict, xdata]) => ({ gfid: gfidOf(loc as Loc), flags, dict: dictOf(dict), xdata: dictOf(xdata) })],
  writev: ['WRITE', ([, fd, vector, offset, flag, xdata]) => ({ ...ofFd(fd as Fd), offset, size: (vector as IoVec).size, flag, xdata: dictOf(xdata) })],
  readv: ['READ', ([, fd, size, offset, flag, xdata]) => ({ ...ofFd(fd as Fd), offset, size, flag, xdata: dictOf(xdata) })],
  flush: ['FLUSH', ([, fd, xdata]) => ({ ...ofFd(fd as Fd), xdata: dictOf(xdata) })],
  fstat: ['FSTAT', ([, fd, xdata]) => ({ ...ofFd(fd as Fd), xdata: dictOf(xdata) })],
  open: ['OPEN', ([, loc, flags, , xdata]) => ({ gfid: gfidOf(loc as Loc), flags: octal(flags as number), xdata: dictOf(xdata) })],
  truncate: ['TRUNCATE', ([, loc, offset, xdata]) => ({ gfid: gfidOf(loc as Loc), offset, xdata: dictOf(xdata) })],
  setattr: ['SETATTR', ([, loc, stbuf, valid, xdata]) => ({ gfid: gfidOf(loc as Loc), stbuf: { size: (stbuf as Iatt).ia_size, blocks: (stbuf as Iatt).ia_blocks, mode: octal((stbuf as Iatt).ia_prot) }, valid, xdata: dictOf(xdata) })],
  setxattr: ['SETXATTR', ([, loc, dict, flags, xdata]) => ({ gfid: gfidOf(loc as Loc), flags, dict: dictOf(dict), xdata: dictOf(xdata) })],
  mkdir: ['MKDIR', ([, loc, mode, umask, xdata]) => ({ mode: octal(mode as number), umask: octal(umask as number), name: (loc as Loc).name, xdata: dictOf(xdata) })],
  opendir: ['OPENDIR', ([, loc, , xdata]) => ({ gfid: gfidOf(loc as Loc), xdata: dictOf(xdata) })],
  readdirp: ['READDIRP', ([, fd, size, offset, xdata]) => ({ ...ofFd(fd as Fd), offset: Number(offset as bigint), size, xdata: dictOf(xdata) })],
  rename: ['RENAME', ([, old, to, xdata]) => ({ old: (old as Loc).name, new: (to as Loc).name, xdata: dictOf(xdata) })],
  unlink: ['UNLINK', ([, loc, xflags, xdata]) => ({ name: (loc as Loc).name, xflags, xdata: dictOf(xdata) })],
  lk: ['LK', ([frame]) => ({ cred: credOf(frame as Frame) })],
  fallocate: ['FALLOCATE', () => ({})],
  discard: ['DISCARD', () => ({})],
  seek: ['SEEK', () => ({})],
  fsync: ['FSYNC', () => ({})],
};

/** A fop that disperse sent, in the vector's form. */
export function callOf(client: string, brick: number, fop: string, args: Args): Call {
  const [proc, fields] = FIELDS[fop] ?? [fop.toUpperCase(), () => ({})];
  return { at: 0, client, brick, proc, fields: { ...fields(args) } };
}

/** Lock owners by the order in which they turn up, for they are each client's own invention; keys of dicts in one order. */
export function lines(calls: readonly Call[]): string[] {
  const owners = new Map<string, string>();
  return calls.map(({ client, brick, proc, fields }) => {
    const text = JSON.stringify(fields, (_key, value: unknown) => (typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value));
    const named = text.replace(/lk_owner=([0-9a-f]+)/, (_all, owner: string) => {
      if (!owners.has(owner)) owners.set(owner, `owner ${owners.size} of ${owner.length / 2} bytes`);
      return owners.get(owner) ?? '';
    });
    return `${client} brick${brick} ${proc} ${named}`;
  });
}
