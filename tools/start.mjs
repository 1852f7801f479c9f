// `npm start`: on a fresh clone, alone, everything up to a mounted volume. Arguments go to apps/glusterts.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { build, buildNative, install, root } from './setup.mjs';

install();
buildNative();
build();
const child = spawn(process.execPath, [path.join(root, 'apps/glusterts/dist/main.js'), ...process.argv.slice(2)], {
  stdio: 'inherit',
  cwd: process.env.INIT_CWD ?? process.cwd(),
});
// The child gets the terminal's signals itself; this process only waits for it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => signal !== 'SIGINT' && child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
