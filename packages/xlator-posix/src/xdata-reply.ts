import { type Bytes, Dict, Errno, IaType, type Iatt, type Inode, OpenFlag, type Xdata } from '@glusterts/libglusterfs';
import { aclToText, modeToText } from './acl-text.js';
import { ancestryPath } from './ancestry.js';
import type { Brick, Target } from './brick.js';
import { globMatcher, isPattern } from './glob.js';
import { Key, NOT_XATTRS, Xattr } from './keys.js';
import { isHiddenFromList } from './xattr-filter.js';

/*
 * Answers to the keys of a request's xdata (spec/brick.md, §5): lookup, stat, fstat, setattr, getxattr, xattrop, and
 * readdirp for each entry.
 */

const CONTENT_MAX = 1024 * 1024;
const CONTRI = /^trusted\.[^.]+\.[^.]+\.(contri.*)$/s;
const PREFIXES = ['trusted.', 'system.', 'user.', 'security.'];

const LIST_FROM = 3;
/** Keys that answerVirtual knows, and the request for all xattrs. */
const VIRTUAL: ReadonlySet<Bytes> = new Set([
  Key.CONTENT, Key.OPEN_FD_COUNT, Key.OPEN_ACTIVE_FD_COUNT, Key.ANCESTRY_PATH, Key.REQUEST_LINK_COUNT, Key.GET_SIZE, Key.ACL_TEXT, Key.ACL_DEFAULT_TEXT,
  Key.LIST_XATTR, 'trusted.glusterfs.cs.status' as Bytes, 'trusted.glusterfs.cs.repair' as Bytes,
]);

/** What a key asks for: nothing of ours, one of posix's own answers, an xattr, all xattrs that match it. */
const KeyKind = { NOTHING: 0, VIRTUAL: 1, XATTR: 2, PATTERN: 3 } as const;
type KeyKind = (typeof KeyKind)[keyof typeof KeyKind];
/** Requests ask for the same few keys again and again. */
const kinds = new Map<Bytes, KeyKind>();
const KINDS_MAX = 1024;
const KIND_KEY_MAX = 255;

function kindOf(key: Bytes): KeyKind {
  const known = kinds.get(key);
  if (known !== undefined) return known;
  const kind = findKind(key);
  if (kinds.size >= KINDS_MAX) kinds.clear();
  if (key.length <= KIND_KEY_MAX) kinds.set(key, kind);
  return kind;
}

function findKind(key: Bytes): KeyKind {
  if (key === Key.LIST_XATTR || key === Key.GFID_REQ || NOT_XATTRS.has(key)) return KeyKind.NOTHING;
  if (VIRTUAL.has(key)) return KeyKind.VIRTUAL;
  if (CONTRI.test(key) || isPattern(key)) return KeyKind.PATTERN;
  return PREFIXES.some((prefix) => key.startsWith(prefix)) ? KeyKind.XATTR : KeyKind.NOTHING;
}

/** @param at the object: a path or an open fd */
export function replyXdata(brick: Brick, at: Target, stat: Iatt, inode: Inode | undefined, xdata: Xdata): Xdata {
  if (!xdata) return undefined;
  const reply = new Dict();
  // Listed at most once, and only if that is asked for.
  let listed: Bytes[] | undefined;
  const list = (): Bytes[] => {
    if (!listed) {
      const names = brick.listx(at);
      listed = typeof names === 'number' ? [] : names;
    }
    return listed;
  };
  // Most of what is asked isn't there: from a few names on, one list is cheaper than the misses.
  const listFirst = xdata.size >= LIST_FROM;
  // A decoded dict keeps the wire's order as newest first; the real brick's is the reverse of it, and so its replies are.
  for (const key of xdata.keys().reverse()) {
    const kind = kindOf(key);
    if (kind === KeyKind.NOTHING) continue;
    if (kind === KeyKind.XATTR) {
      if (!listFirst || list().includes(key)) addXattr(brick, at, key, reply);
      continue;
    }
    if (kind === KeyKind.VIRTUAL) {
      answerVirtual(brick, at, stat, inode, key, xdata, reply);
      continue;
    }
    const contri = CONTRI.exec(key);
    const pattern = contri ? 'trusted.*.*.contri*' : key;
    const matches = globMatcher(pattern);
    for (const name of list()) if (matches(name) && PREFIXES.some((prefix) => name.startsWith(prefix))) addXattr(brick, at, name, reply);
  }
  if (xdata.has(Key.LIST_XATTR)) for (const name of list()) if (!reply.has(name) && !isHiddenFromList(name)) addXattr(brick, at, name, reply);
  return reply;
}

/**
 * What a request asks of entries, in the order in which their dicts are sent, when it is nothing but xattrs with these names, and
 * `glusterfs.content`; undefined when an answer must be worked out.
 */
export function listedNames(xdata: Xdata): Bytes[] | undefined {
  const names: Bytes[] = [];
  for (const key of xdata?.keys() ?? []) {
    if (key === Key.GFID_REQ || NOT_XATTRS.has(key)) continue;
    if ((VIRTUAL.has(key) && key !== Key.CONTENT) || CONTRI.test(key) || isPattern(key) || key.includes('\0')) return undefined;
    if (key === Key.CONTENT || PREFIXES.some((prefix) => key.startsWith(prefix))) names.push(key);
  }
  return names;
}

function addXattr(brick: Brick, at: Target, name: Bytes, reply: Dict): void {
  const value = brick.getx(at, name);
  if (typeof value !== 'number') reply.setBin(name, value);
}

/** Answers one of posix's own keys, those in VIRTUAL. */
function answerVirtual(brick: Brick, at: Target, stat: Iatt, inode: Inode | undefined, key: Bytes, xdata: Dict, reply: Dict): void {
  switch (key) {
    case Key.CONTENT:
      addContent(brick, at, stat, xdata, reply);
      return;
    case Key.OPEN_FD_COUNT:
    case Key.OPEN_ACTIVE_FD_COUNT:
      reply.setUint(key, brick.openCount(stat.ia_gfid));
      return;
    case Key.ANCESTRY_PATH: {
      const path = ancestryPath(brick, at, stat.ia_gfid, stat.ia_type);
      if (path !== undefined) reply.setStr(key, path);
      return;
    }
    case Key.REQUEST_LINK_COUNT: {
      const asked = xdata.get(key);
      if (asked) reply.set(key, asked);
      return;
    }
    case Key.GET_SIZE:
      if (stat.ia_type === IaType.REG) reply.setUint(key, stat.ia_size);
      return;
    case Key.ACL_TEXT:
    case Key.ACL_DEFAULT_TEXT: {
      const text = aclText(brick, at, stat, key);
      if (text !== undefined) reply.setStr(key, text);
      return;
    }
    case 'trusted.glusterfs.cs.status' as Bytes:
    case 'trusted.glusterfs.cs.repair' as Bytes:
      if (stat.ia_type === IaType.REG) reply.setUint(key, 1);
      return;
  }
}

/** An ACL as text: the access ACL of everything but symlinks, the default ACL of directories. */
export function aclText(brick: Brick, at: Target, stat: Iatt, key: Bytes): Bytes | undefined {
  const access = key === Key.ACL_TEXT;
  if (stat.ia_type === IaType.LNK || (!access && stat.ia_type !== IaType.DIR)) return undefined;
  const value = brick.getx(at, access ? Xattr.ACL_ACCESS : Xattr.ACL_DEFAULT);
  if (typeof value === 'number') return access ? modeToText(stat.ia_prot) : ('' as Bytes);
  return aclToText(value);
}

/** The whole file, if it is small enough: quick-read's request. */
function addContent(brick: Brick, at: Target, stat: Iatt, xdata: Dict, reply: Dict): void {
  const most = xdata.getNumber(Key.CONTENT) ?? 0;
  if (typeof at === 'number' || stat.ia_type !== IaType.REG || stat.ia_size > most || stat.ia_size > CONTENT_MAX) return;
  const fd = brick.storage.open(at, OpenFlag.RDONLY | OpenFlag.NOFOLLOW, 0);
  if (fd < 0) return;
  const content = new Uint8Array(stat.ia_size);
  const count = stat.ia_size === 0 ? 0 : brick.storage.preadv(fd, [content], 0, !brick.inMemory);
  if (isInMemory(count)) {
    brick.storage.close(fd);
    if (count >= 0) reply.setBin(Key.CONTENT, content.subarray(0, count));
  } else if (brick.coldContents) {
    brick.coldContents.push({ fd, content, reply });
  } else {
    brick.storage.close(fd);
  }
}

const isInMemory = (count: number): boolean => count !== -Errno.EAGAIN && count !== -Errno.EOPNOTSUPP;

/** Content that isn't in memory, to be read on the pool before the reply leaves. */
export interface ColdContent {
  readonly fd: number;
  readonly content: Uint8Array;
  readonly reply: Dict;
}

const SLOT = 5;

/** Reads it, and adds it to its reply, unless the file changed meanwhile: the reply's attributes are older. */
export async function readColdContent({ storage }: Brick, { fd, content, reply }: ColdContent): Promise<void> {
  const { cells } = storage;
  const state = (): string => (storage.fstat(fd, SLOT) < 0 ? '' : `${cells.size(SLOT)} ${cells.mtime(SLOT)} ${cells.mtimeNsec(SLOT)} ${cells.ctime(SLOT)} ${cells.ctimeNsec(SLOT)}`);
  const before = state();
  const count = await storage.preadvAsync(fd, [content], 0);
  if (count === content.length && before === state()) reply.setBin(Key.CONTENT, content);
  storage.close(fd);
}

/** The three iatts that xattr fops add to their replies (spec/brick.md, §6.3). */
export function addPrePost(reply: Dict, pre: Iatt, post: Iatt): Dict {
  return reply.setIatt(Key.VIRT_PRESTAT, pre).setIatt(Key.VIRT_POSTSTAT, post).setIatt(Key.IATT_IN_XATTR, post);
}

