// Puts the example's xlator over a brick in memory, writes a file, and reads it back: `node examples/shout/run.mjs` after a build.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Volume } from '@glusterts/gfapi';
import { XlatorLoader } from '@glusterts/libglusterfs';

const here = path.dirname(fileURLToPath(import.meta.url));

const volfile = `
volume brick
    type storage/memory
    option size 16MB
end-volume

volume shout
    type example/shout
    subvolumes brick
end-volume
`;

const volume = await Volume.fromVolfile(volfile, { loader: new XlatorLoader({ xlatorPath: [path.join(here, 'xlator')] }) });
await volume.writeFile('/greeting', 'hello from an xlator of thirty lines\n');
process.stdout.write(await volume.readFile('/greeting'));
await volume.close();
