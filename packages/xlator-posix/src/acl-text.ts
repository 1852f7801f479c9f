import { type Bytes, Errno, fromBuffer } from '@glusterts/libglusterfs';
import type { Brick, Target } from './brick.js';

/* ACLs between the kernel's xattr format and short text, e.g. `u::rwx,u:1001:rw-,g::r-x,m::rwx,o::r-x` (spec/brick.md, §6.2, §14.3). */

const VERSION = 2;
const UNDEFINED_ID = 0xffffffff;
const TAGS: readonly { tag: number; letter: string; named: boolean }[] = [
  { tag: 0x01, letter: 'u', named: false },
  { tag: 0x02, letter: 'u', named: true },
  { tag: 0x04, letter: 'g', named: false },
  { tag: 0x08, letter: 'g', named: true },
  { tag: 0x10, letter: 'm', named: false },
  { tag: 0x20, letter: 'o', named: false },
];
const WORDS: Readonly<Record<string, string>> = { user: 'u', group: 'g', mask: 'm', other: 'o' };

/** Text of a kernel ACL; undefined when it isn't one. */
export function aclToText(value: Uint8Array): Bytes | undefined {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  if (value.length < 4 || view.getUint32(0, true) !== VERSION) return undefined;
  const parts: string[] = [];
  for (let at = 4; at + 8 <= value.length; at += 8) {
    const kind = TAGS.find(({ tag }) => tag === view.getUint16(at, true));
    if (!kind) return undefined;
    const perm = view.getUint16(at + 2, true);
    const bits = (perm & 4 ? 'r' : '-') + (perm & 2 ? 'w' : '-') + (perm & 1 ? 'x' : '-');
    parts.push(`${kind.letter}:${kind.named ? view.getUint32(at + 4, true) : ''}:${bits}`);
  }
  return parts.join(',') as Bytes;
}

/** The text of an object without an ACL: its mode. */
export function modeToText(mode: number): Bytes {
  const bits = (perm: number): string => (perm & 4 ? 'r' : '-') + (perm & 2 ? 'w' : '-') + (perm & 1 ? 'x' : '-');
  return `u::${bits(mode >> 6)},g::${bits(mode >> 3)},o::${bits(mode)}` as Bytes;
}

/** A kernel ACL of short or long text with numeric ids; undefined when it can't be read. */
export function aclFromText(text: string): Uint8Array | undefined {
  const entries: { tag: number; perm: number; id: number }[] = [];
  for (const part of text.split(/[,\n]/)) {
    const entry = part.replace(/#.*/, '').trim();
    if (entry === '') continue;
    const match = /^([a-z]+):(\d*):([rwx-]{1,3})$/.exec(entry);
    if (!match) return undefined;
    const [, word = '', id = '', bits = ''] = match;
    const letter = WORDS[word] ?? word;
    const kind = TAGS.find((candidate) => candidate.letter === letter && candidate.named === (id !== ''));
    if (!kind) return undefined;
    const perm = (bits.includes('r') ? 4 : 0) | (bits.includes('w') ? 2 : 0) | (bits.includes('x') ? 1 : 0);
    entries.push({ tag: kind.tag, perm, id: id === '' ? UNDEFINED_ID : Number(id) });
  }
  entries.sort((a, b) => a.tag - b.tag || a.id - b.id);
  const value = new Uint8Array(4 + entries.length * 8);
  const view = new DataView(value.buffer);
  view.setUint32(0, VERSION, true);
  entries.forEach(({ tag, perm, id }, i) => {
    view.setUint16(4 + i * 8, tag, true);
    view.setUint16(6 + i * 8, perm, true);
    view.setUint32(8 + i * 8, id, true);
  });
  return value;
}

/** Sets an ACL given as text; 0 or −errno. */
export function setTextAcl(brick: Brick, at: Target, key: Bytes, text: Uint8Array): number {
  const acl = aclFromText(fromBuffer(text).replace(/\0.*$/s, ''));
  return acl ? brick.setx(at, key, acl, 0) : -Errno.EINVAL;
}
