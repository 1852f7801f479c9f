import { xlators as memory } from '@glusterts/xlator-memory';
import { complianceSuite, testGraph } from '../src/index.js';

complianceSuite({
  name: 'storage/memory',
  makeGraph: () => testGraph('volume brick\n type storage/memory\n option size 0\nend-volume\n', memory),
  largestOffset: Number.MAX_SAFE_INTEGER - 8192,
});
