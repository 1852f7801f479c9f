import { complianceSuite, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { volfile } from './memory-volume.js';
import { xlators } from '../src/index.js';

for (const bricks of [1, 2, 3]) {
  complianceSuite({
    name: `cluster/distribute over ${bricks} of storage/memory`,
    makeGraph: () => testGraph(volfile(bricks), [...memory, ...xlators]),
    largestOffset: Number.MAX_SAFE_INTEGER - 8192,
  });
}
