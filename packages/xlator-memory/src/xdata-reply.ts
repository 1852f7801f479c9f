import { type Bytes, Dict, IaType, type Xdata, utf8 } from '@glusterts/libglusterfs';
import type { MemoryNode } from './node.js';
import type { Store } from './store.js';

/* Answers to the keys of a request's xdata, as far as clients of a brick ask for them (spec/brick.md, §5 and §13.8). */

const CONTENT_MAX = 1024 * 1024;
export const MDATA = 'trusted.glusterfs.mdata';
export const XATTR_PREFIXES: readonly string[] = ['trusted.', 'system.', 'user.', 'security.'];
export const isXattrName = (name: string): boolean => XATTR_PREFIXES.some((prefix) => name.startsWith(prefix));

export function replyXdata(store: Store, node: MemoryNode, xdata: Xdata): Xdata {
  if (!xdata) return undefined;
  const reply = new Dict();
  for (const key of xdata.keys()) answer(store, node, key, xdata, reply);
  if (xdata.has('list-xattr')) for (const [name, value] of node.xattrs) if (!reply.has(name)) reply.setBin(name, value);
  return reply;
}

function answer(store: Store, node: MemoryNode, key: Bytes, xdata: Dict, reply: Dict): void {
  switch (key as string) {
    case 'glusterfs.content': {
      const limit = Math.min(xdata.getNumber(key) ?? 0, CONTENT_MAX);
      if (!node.file || node.size > limit) return;
      const content = new Uint8Array(node.size);
      node.file.read(content, 0);
      reply.setBin(key, content);
      return;
    }
    case 'glusterfs.open-fd-count':
    case 'glusterfs.open-active-fd-count':
      reply.setUint(key, node.opens);
      return;
    case 'get-size':
      if (node.type === IaType.REG) reply.setUint(key, node.size);
      return;
    case 'glusterfs.ancestry.path': {
      const path = pathOf(store, node);
      if (path !== undefined) reply.setStr(key, path);
      return;
    }
    case 'glusterfs.inodelk-count':
      reply.setInt(key, node.locks.inodelkCount());
      return;
    case 'glusterfs.inodelk-dom-count':
      reply.setInt('glusterfs.inodelk-count', node.locks.inodelkCount(xdata.getStr(key)));
      return;
    case 'glusterfs.entrylk-count':
      reply.setInt(key, node.locks.entrylkCount());
      return;
    case 'glusterfs.posixlk-count':
      reply.setInt(key, node.locks.posixlkCount());
      return;
    case MDATA:
      if (node.stamped) reply.setBin(MDATA, encodeMdata(node));
      return;
  }
  if (key.startsWith('glusterfs.inodelk-dom-prefix:')) {
    reply.setInt(key, node.locks.inodelkCount(key.slice('glusterfs.inodelk-dom-prefix:'.length)));
  } else if (key.includes('*')) {
    const pattern = new RegExp(`^${key.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`, 's');
    for (const [name, value] of node.xattrs) if (pattern.test(name)) reply.setBin(name, value);
  } else {
    const value = node.xattrs.get(key);
    if (value) reply.setBin(key, value);
  }
}

/** The path of a directory, or one of those of another node; undefined when it has none. */
export function pathOf(store: Store, node: MemoryNode): Bytes | undefined {
  let path = '';
  for (let at = node; at !== store.root; ) {
    const { parent } = at;
    if (!parent) return undefined;
    let name: Bytes | undefined;
    for (const entry of parent.entries.values()) if (entry.node === at) name = entry.name;
    if (name === undefined) return undefined;
    path = `/${name}${path}`;
    at = parent;
  }
  return (path === '' ? '/' : path) as Bytes;
}

/** The xattr in which a brick keeps the times (spec/brick.md, §2.5). */
export function encodeMdata(node: MemoryNode): Uint8Array {
  const value = Buffer.alloc(57);
  value[0] = 1;
  [node.ctime, node.mtime, node.atime].forEach((time, i) => {
    value.writeBigUInt64BE(BigInt(time.sec), 9 + i * 16);
    value.writeBigUInt64BE(BigInt(time.nsec), 17 + i * 16);
  });
  return value;
}

/** The name that a memory brick has in pathinfo. */
export function pathinfo(brick: string, path: Bytes): Bytes {
  return `<POSIX(${utf8(brick)}):memory:${utf8(brick)}${path}>` as Bytes;
}
