import { complianceSuite, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { mdCache } from '../src/md-cache/index.js';

for (const [name, options] of [['its defaults', ''], ['all that it can cache', '    option md-cache-statfs on\n    option md-cache-timeout 60\n    option cache-posix-acl on\n    option xattr-cache-list user.*\n']] as const) {
  complianceSuite({
    name: `performance/md-cache with ${name} over storage/memory`,
    makeGraph: () => testGraph(`volume brick\n    type storage/memory\n    option size 0\nend-volume\n\nvolume v-md-cache\n    type performance/md-cache\n${options}    subvolumes brick\nend-volume\n`, [...memory, mdCache]),
  });
}
