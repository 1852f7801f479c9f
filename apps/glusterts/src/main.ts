/**
 * `npm start`: a pool of one node on this machine, with a volume, mounted.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type StartOptions, USAGE, UsageError, parseArguments } from './arguments.js';
import { Pool, VOLUME } from './pool.js';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');

function tell(text: string): void {
  process.stderr.write(`glusterts: ${text}\n`);
}

function panel(options: StartOptions, pool: Pool): string {
  const lines = [
    ['volume', `${VOLUME}, ${options.redundancy > 0 ? `disperse ${options.bricks - options.redundancy}+${options.redundancy}: any ${options.redundancy} of ${options.bricks} bricks may be lost` : `distribute over ${options.bricks} bricks`}`],
    ['mount', pool.noMount === undefined ? options.mountpoint : `none: ${pool.noMount}`],
    ['glusterd', `${pool.address}:${pool.port}`],
    ['data', path.join(options.dir, 'bricks')],
    ['logs', path.join(options.dir, 'log')],
    ['commands', `${pool.glusterCommand} volume status`],
    ['stop', 'Ctrl-C; started again with the same --dir it finds its data'],
  ];
  const text = lines.map(([name, value]) => `  ${(name ?? '').padEnd(10)}${value}`).join('\n');
  const program = pool.noMount === undefined ? '' : `
  Without a mount, use the volume from a program:

    import { Volume } from '@glusterts/gfapi';
    const volume = await Volume.connect({ host: '${pool.address}', port: ${pool.port} }, '${VOLUME}');
    await volume.writeFile('/hello', 'hello');
    console.log((await volume.readFile('/hello')).toString());
    await volume.close();
`;
  return `\n${text}\n${program}\n`;
}

function execute(command: string, cwd: string): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn('/bin/sh', ['-c', command], { cwd, stdio: 'inherit' });
    child.once('error', (error) => {
      tell(error.message);
      resolve(127);
    });
    child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  });
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve());
  });
}

async function main(): Promise<number> {
  let options;
  try {
    options = parseArguments(process.argv.slice(2), process.env['INIT_CWD'] ?? process.cwd());
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`npm start: ${error.message}\n\n${USAGE}`);
    return 2;
  }
  if (options === 'help') {
    process.stdout.write(USAGE);
    return 0;
  }
  if (process.getuid?.() !== 0) {
    tell('bricks keep trusted.* xattrs, which only root may set: run npm start as root');
    return 1;
  }
  if (process.env['GLUSTERTS_PORTABLE'] === '1') {
    tell('GLUSTERTS_PORTABLE=1: bricks and the mount need the native addon; run npm start without it');
    return 1;
  }
  try {
    mkdirSync(options.dir, { recursive: true });
    accessSync(options.dir, constants.W_OK);
  } catch (error) {
    tell(`${options.dir} can't be written: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
  const pool = new Pool(options, path.join(root, 'bin'), tell);
  const stop = interrupted();
  try {
    await Promise.race([pool.start(), stop.then(() => Promise.reject(new Error('interrupted')))]);
    if (options.exec !== undefined) {
      if (pool.noMount !== undefined) throw new Error(`--exec needs the mount: ${pool.noMount}`);
      return await Promise.race([execute(options.exec, options.mountpoint), stop.then(() => 130)]);
    }
    process.stdout.write(panel(options, pool));
    await stop;
    return 0;
  } catch (error) {
    tell(error instanceof Error ? error.message : String(error));
    return 1;
  } finally {
    await pool.stop();
  }
}

process.exit(await main());
