import { complianceSuite, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { volfile } from './memory-volume.js';
import { xlators } from '../src/index.js';

for (const [bricks, redundancy] of [[3, 1], [6, 2]] as const) {
  complianceSuite({
    name: `cluster/disperse ${bricks - redundancy}+${redundancy} over storage/memory`,
    makeGraph: () => testGraph(volfile(bricks, redundancy), [...memory, ...xlators]),
    largestOffset: 2 ** 50,
    // spec/ec.md, §14: disperse has none.
    without: ['zerofill'],
  });
}
