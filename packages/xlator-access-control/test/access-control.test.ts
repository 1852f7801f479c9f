import { Dict, Errno, Frame, type Graph, OpenFlag } from '@glusterts/libglusterfs';
import { GraphDriver, pattern, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { beforeEach, describe, expect, it } from 'vitest';
import { AclTag, NO_ID, formatAcl, inherit, parseAcl, permits, xlators } from '../src/index.js';

const text = 'volume b\n type storage/memory\n option size 0\nend-volume\nvolume a\n type features/access-control\n option x y\n subvolumes b\nend-volume\n';
const ACL = (entries: [number, number, number?][]) => entries.map(([tag, perm, id = NO_ID]) => ({ tag, perm, id }));

let graph: Graph;
let root: GraphDriver;
const as = (uid: number, gid: number, groups: number[] = []): GraphDriver => new GraphDriver(graph.topSubvolume, graph, new Frame({ uid, gid, groups, pid: 77 }));

beforeEach(async () => {
  graph = await testGraph(text, [...memory, ...xlators]);
  root = new GraphDriver(graph.topSubvolume, graph, new Frame({ pid: 77 }));
  await root.root();
  await root.chmod('/', 0o755);
  await root.mkdir('/d', 0o755);
  await root.chown('/d', 1000, 1000);
});

describe('features/access-control', () => {
  it('lets owners, groups and others do what the mode says', async () => {
    const owner = as(1000, 1000);
    await owner.writeFile('/d/f', pattern(10, 1), 0o640);
    await expect(as(1001, 1001).open('/d/f', OpenFlag.RDONLY)).rejects.toMatchObject({ errno: Errno.EACCES });
    await as(1001, 1001, [1000]).close(await as(1001, 1001, [1000]).open('/d/f', OpenFlag.RDONLY));
    await expect(as(1001, 1001, [1000]).open('/d/f', OpenFlag.RDWR)).rejects.toMatchObject({ errno: Errno.EACCES });
    await expect(as(1001, 1001).create('/d/g')).rejects.toMatchObject({ errno: Errno.EACCES });
    await expect(as(1001, 1001).unlink('/d/f')).rejects.toMatchObject({ errno: Errno.EACCES });
    await expect(as(1001, 1001).chmod('/d/f', 0o777)).rejects.toMatchObject({ errno: Errno.EPERM });
    await expect(owner.chown('/d/f', 1001, 1000)).rejects.toMatchObject({ errno: Errno.EPERM });
    await owner.chmod('/d/f', 0o600);
    await root.chown('/d/f', 1001, 1001);
  });

  it('does not let the sticky bit’s strangers remove what is not theirs', async () => {
    await root.chmod('/d', 0o1777);
    await as(1001, 1001).writeFile('/d/mine', pattern(1, 1));
    await expect(as(1002, 1002).unlink('/d/mine')).rejects.toMatchObject({ errno: Errno.EACCES });
    await as(1001, 1001).unlink('/d/mine');
  });

  it('checks named users and groups of an ACL, under the mask', async () => {
    const owner = as(1000, 1000);
    await owner.writeFile('/d/f', pattern(10, 1), 0o600);
    const acl = formatAcl(ACL([[AclTag.USER_OBJ, 6], [AclTag.USER, 6, 1001], [AclTag.GROUP_OBJ, 0], [AclTag.MASK, 4], [AclTag.OTHER, 0]]));
    const { loc } = await owner.resolve('/d/f');
    await graph.topSubvolume.setxattr(owner.frame, loc, new Dict().setBin('system.posix_acl_access', acl), 0, undefined);
    const named = as(1001, 1001);
    await named.close(await named.open('/d/f', OpenFlag.RDONLY));
    await expect(named.open('/d/f', OpenFlag.RDWR)).rejects.toMatchObject({ errno: Errno.EACCES });
    await expect(as(1002, 1002).open('/d/f', OpenFlag.RDONLY)).rejects.toMatchObject({ errno: Errno.EACCES });
    await expect(graph.topSubvolume.setxattr(named.frame, loc, new Dict().setBin('system.posix_acl_access', acl), 0, undefined)).rejects.toMatchObject({ errno: Errno.EPERM });
  });
});

describe('ACLs', () => {
  it('read back as they were written, and malformed ones are refused', () => {
    const acl = ACL([[AclTag.USER_OBJ, 7], [AclTag.GROUP_OBJ, 5], [AclTag.OTHER, 5]]);
    expect(parseAcl(formatAcl(acl))).toEqual(acl);
    for (const bytes of [new Uint8Array(0), new Uint8Array(7), Uint8Array.of(1, 0, 0, 0), Uint8Array.of(2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0)]) expect(parseAcl(bytes)).toBeUndefined();
  });

  it('are inherited as in the spec’s example', () => {
    const defaults = ACL([[AclTag.USER_OBJ, 7], [AclTag.USER, 6, 1001], [AclTag.GROUP_OBJ, 5], [AclTag.MASK, 7], [AclTag.OTHER, 5]]);
    const made = inherit(defaults, 0o100644);
    expect(made.mode).toBe(0o100644);
    expect(made.acl).toEqual(ACL([[AclTag.USER_OBJ, 6], [AclTag.USER, 6, 1001], [AclTag.GROUP_OBJ, 5], [AclTag.MASK, 4], [AclTag.OTHER, 4]]));
  });

  it('deny a member of groups none of which grants, though others may', () => {
    const file = { uid: 1, gid: 2, prot: 0o607, access: undefined };
    expect(permits(file, { uid: 5, gid: 2, groups: [] }, 4)).toBe(false);
    expect(permits(file, { uid: 5, gid: 6, groups: [] }, 4)).toBe(true);
  });
});
