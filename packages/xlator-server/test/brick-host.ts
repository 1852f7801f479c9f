// A brick in a process of its own, for frozen-disk.test.ts, which bundles it: storage/posix with io-threads behind protocol/server.
import { GlusterLogger, Graph, XlatorLoader, createPlatform } from '@glusterts/libglusterfs';
import { xlators as perf } from '@glusterts/xlator-perf';
import { xlators as posix } from '@glusterts/xlator-posix';
import { xlators as server } from '../src/index.js';

const [directory = '', port = ''] = process.argv.slice(2);
const platform = createPlatform();
const log = GlusterLogger.create('brick', { sink: (line) => process.stderr.write(line), clock: platform.clock });
const graph = await Graph.load(
  `volume posix\n type storage/posix\n option directory ${directory}\n option health-check-interval 0\nend-volume\n` +
    'volume brick\n type performance/io-threads\n subvolumes posix\nend-volume\n' +
    `volume server\n type protocol/server\n option auth.addr.brick.allow *\n option transport.socket.listen-port ${port}\n subvolumes brick\nend-volume\n`,
  { platform, loader: new XlatorLoader({ from: [] }).add(...posix, ...perf, ...server), log },
);
await graph.activate();
process.stdout.write('ready\n');
