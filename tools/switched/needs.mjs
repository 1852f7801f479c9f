// Tests that by their very meaning need an xlator as glusterd has it by default. They are run all the same; their failure counts as
// "needs it", and one that passes nevertheless is named, so that this list stays true.
import { SWITCHES } from './volfile.mjs';

const every = [...SWITCHES.keys()];
const usual = every.filter((name) => SWITCHES.get(name) === 'on');
const OPTION = new Map([['md-cache', 'stat-prefetch'], ['io-threads', 'client-io-threads']]);
const RECORDED = 'compares with what GlusterFS has for that graph, xlator by xlator';

/** `switches`: names as in volfile.mjs; `test`: matches `FILE > NAME`. */
export const NEEDS = [
  { switches: every, test: /meta-tree\.test\.ts > .* has (?:the files, folders and links of GlusterFS’s|GlusterFS’s contents in each file)/, reason: RECORDED },
  // io-threads of a client has no section in a statedump.
  { switches: every.filter((name) => name !== 'io-threads'), test: /statedump\.test\.ts > the statedumps of a volume a client’s/, reason: RECORDED },
  { switches: ['io-threads'], test: /statedump\.test\.ts > the statedumps of a volume a brick’s/, reason: RECORDED },
  // Of a volume that has all of them on.
  { switches: usual, test: /statedump\.test\.ts > the statedump of a mount has (?:GlusterFS’s sections|what the options file asks)/, reason: RECORDED },
  { switches: usual, test: /metrics\.test\.ts > the metrics of a mount have GlusterFS’s lines/, reason: RECORDED },
  { switches: usual, test: /meta-all-performance\.test\.ts > .* has (?:the files, folders and links of GlusterFS’s|GlusterFS’s contents in each)/, reason: RECORDED },
  { switches: usual, test: /all-performance-volume\.test\.ts > .* shows the graph under \.meta/, reason: RECORDED },
  { switches: ['io-threads'], test: /io-stats-dumps\.test\.ts > .* every so many seconds/, reason: 'compares with a recorded dump, which has the sizes of the queues of io-threads' },
  { switches: ['write-behind'], test: /io-stats-dumps\.test\.ts > .* a second time/, reason: 'compares with a recorded dump, whose files are in the order of throughput through write-behind' },
  { switches: ['md-cache'], test: /fuse-trace\.test\.ts > .* with (?:default options|ACLs)/, reason: 'compares with a recorded trace, where md-cache lets the kernel forget a page and answers for security.capability' },
  { switches: ['open-behind'], test: /fuse-trace\.test\.ts > .* while the brick is killed/, reason: 'compares with a recorded trace, where open-behind first opens a file when its brick is gone' },
  { switches: ['io-cache'], test: /fuse-bridge\/.* > a mount lives with many processes at once/, reason: 'counts the buffers in use while the mount lives, and io-cache keeps in them what was read' },
  ...every.map((name) => ({ switches: [name], test: new RegExp(`performance-options\\.test\\.ts > .* with performance\\.${OPTION.get(name) ?? name} (?:on|off)$`), reason: 'switches the same option, and waits for another graph' })),
];
