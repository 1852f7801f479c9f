// `npm run fuzz`: builds what is needed, then runs tools/fuzz.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { build, buildNative, install, root } from './setup.mjs';

install();
buildNative();
build();
process.exit(spawnSync(process.execPath, [path.join(root, 'tools/fuzz/dist/main.js'), ...process.argv.slice(2)], { stdio: 'inherit' }).status ?? 1);
