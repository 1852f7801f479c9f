/** POSIX ACLs in the xattr form (spec/brick.md, §14.3), and the check of a caller against them (§14.2). */

export const AclTag = { USER_OBJ: 1, USER: 2, GROUP_OBJ: 4, GROUP: 8, MASK: 0x10, OTHER: 0x20 } as const;

export interface AclEntry {
  readonly tag: number;
  /** r 4, w 2, x 1 */
  readonly perm: number;
  /** A uid or gid for USER and GROUP, else 0xffffffff. */
  readonly id: number;
}

export type Acl = readonly AclEntry[];

export const NO_ID = 0xffffffff;
const VERSION = 2;
const ENTRY_SIZE = 8;
/** No kernel takes more in one xattr. */
const ENTRIES_MAX = 8192;

/** Reads an ACL xattr; undefined when it is malformed. */
export function parseAcl(value: Uint8Array): Acl | undefined {
  const count = (value.length - 4) / ENTRY_SIZE;
  if (value.length < 4 || !Number.isInteger(count) || count > ENTRIES_MAX) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  if (view.getUint32(0, true) !== VERSION) return undefined;
  const entries: AclEntry[] = [];
  for (let i = 0; i < count; i++) {
    const at = 4 + i * ENTRY_SIZE;
    const tag = view.getUint16(at, true);
    const perm = view.getUint16(at + 2, true);
    if (![1, 2, 4, 8, 0x10, 0x20].includes(tag) || perm > 7) return undefined;
    entries.push({ tag, perm, id: view.getUint32(at + 4, true) });
  }
  return entries;
}

export function formatAcl(acl: Acl): Uint8Array {
  const bytes = new Uint8Array(4 + acl.length * ENTRY_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, VERSION, true);
  acl.forEach((entry, i) => {
    const at = 4 + i * ENTRY_SIZE;
    view.setUint16(at, entry.tag, true);
    view.setUint16(at + 2, entry.perm, true);
    view.setUint32(at + 4, entry.id, true);
  });
  return bytes;
}

/** What is known of a file for a check. */
export interface Permissions {
  readonly uid: number;
  readonly gid: number;
  /** The lower 12 bits of st_mode. */
  readonly prot: number;
  readonly access: Acl | undefined;
}

export interface Caller {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

export function inGroup(caller: Caller, gid: number): boolean {
  return caller.gid === gid || caller.groups.includes(gid);
}

/** Whether the caller may do all of `want` (r 4, w 2, x 1). */
export function permits(file: Permissions, caller: Caller, want: number): boolean {
  const grants = (perm: number): boolean => (perm & want) === want;
  if (caller.uid === file.uid) return grants((file.prot >> 6) & 7);
  const acl = file.access;
  const extended = acl?.some((entry) => entry.tag === AclTag.USER || entry.tag === AclTag.GROUP || entry.tag === AclTag.MASK) ?? false;
  if (!acl || !extended) return grants(inGroup(caller, file.gid) ? (file.prot >> 3) & 7 : file.prot & 7);
  const mask = acl.find((entry) => entry.tag === AclTag.MASK)?.perm ?? 7;
  const named = acl.find((entry) => entry.tag === AclTag.USER && entry.id === caller.uid);
  if (named) return grants(named.perm & mask);
  let isMember = false;
  for (const entry of acl) {
    const matches = entry.tag === AclTag.GROUP_OBJ ? inGroup(caller, file.gid) : entry.tag === AclTag.GROUP && inGroup(caller, entry.id);
    if (!matches) continue;
    isMember = true;
    if (grants(entry.perm)) return grants(mask);
  }
  return isMember ? false : grants(file.prot & 7);
}

/** The mode that a file with this access ACL shows, its upper bits kept. */
export function modeOfAcl(acl: Acl, prot: number): number {
  const perm = (tag: number): number | undefined => acl.find((entry) => entry.tag === tag)?.perm;
  const owner = perm(AclTag.USER_OBJ) ?? (prot >> 6) & 7;
  const group = perm(AclTag.MASK) ?? perm(AclTag.GROUP_OBJ) ?? (prot >> 3) & 7;
  const other = perm(AclTag.OTHER) ?? prot & 7;
  return (prot & 0o7000) | (owner << 6) | (group << 3) | other;
}

/** The access ACL and mode of a file made under a directory's default ACL (spec/brick.md, §14.4). */
export function inherit(defaults: Acl, mode: number): { acl: Acl; mode: number } {
  const hasMask = defaults.some((entry) => entry.tag === AclTag.MASK);
  const acl = defaults.map((entry) => {
    if (entry.tag === AclTag.USER_OBJ) return { ...entry, perm: entry.perm & (mode >> 6) & 7 };
    if (entry.tag === AclTag.OTHER) return { ...entry, perm: entry.perm & mode & 7 };
    if (entry.tag === (hasMask ? AclTag.MASK : AclTag.GROUP_OBJ)) return { ...entry, perm: entry.perm & (mode >> 3) & 7 };
    return entry;
  });
  return { acl, mode: (mode & ~0o777) | (modeOfAcl(acl, 0) & 0o777) };
}
