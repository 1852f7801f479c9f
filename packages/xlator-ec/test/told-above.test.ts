import { Dict, GfEvent, Iatt, type Upcall } from '@glusterts/libglusterfs';
import { GraphDriver, pattern, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { describe, expect, it } from 'vitest';
import { volfile } from './memory-volume.js';
import { xlators } from '../src/index.js';

describe('cluster/disperse: what caches above are told', () => {
  it('attributes that come with the answer to setxattr have the user\'s size, not a fragment\'s', async () => {
    const graph = await testGraph(volfile(6, 2), [...memory, ...xlators]);
    try {
      const driver = new GraphDriver(graph.topSubvolume, graph);
      await driver.writeFile('/f', pattern(12_345, 1));
      const { loc } = await driver.resolve('/f');
      const reply = await driver.subvolume.setxattr(driver.frame, loc, new Dict().setBin('user.a', pattern(1, 1)), 0, undefined);
      expect([reply.xdata?.getIatt('virt-gf-prestat')?.ia_size, reply.xdata?.getIatt('virt-gf-poststat')?.ia_size]).toEqual([12_345, 12_345]);
      const removed = await driver.subvolume.removexattr(driver.frame, loc, 'user.a' as never, undefined);
      expect(removed.xdata?.getIatt('virt-gf-poststat')?.ia_size ?? 12_345).toBe(12_345);
    } finally {
      await graph.fini();
    }
  });

  it('a brick\'s upcall of changed attributes says that they are not to be used', async () => {
    const graph = await testGraph(volfile(3, 1), [...memory, ...xlators]);
    try {
      const heard: Upcall[] = [];
      graph.onTopEvent((event, data) => {
        if (event === GfEvent.UPCALL) heard.push(data as Upcall);
      });
      const upcall: Upcall = { kind: 'cache-invalidation', client: undefined, gfid: graph.inodeTable.root.gfid, flags: 0x18, expire_time_attr: 60, stat: new Iatt(), parent_stat: new Iatt(), oldparent_stat: new Iatt(), dict: undefined };
      graph.find('v-disperse-0')?.notify(GfEvent.UPCALL, upcall, graph.find('brick-0'));
      expect(heard).toMatchObject([{ flags: 0x2018 }]);
    } finally {
      await graph.fini();
    }
  });
});
