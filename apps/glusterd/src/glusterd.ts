/** The management daemon: from its arguments to its end. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createPlatform, GlusterLogger } from '@glusterts/libglusterfs';
import { argumentsOrExit, daemoniseOrReturn, LogFile, LOG_DIRECTORY, logLevelOf, PidFile, setProcessName, tellParent, VERSION } from '@glusterts/daemon';
import { localSystem, readConfig, startGlusterd } from '@glusterts/glusterd';

const DEFAULT_VOLFILE = '/etc/glusterfs/glusterd.vol';
const BUILT_IN_VOLFILE = 'volume management\n    type mgmt/glusterd\n    option transport-type socket\n    option max-port 60999\nend-volume\n';
const here = path.dirname(fileURLToPath(import.meta.url));

/** `--xlator-option management.KEY=VALUE`, or with a pattern for the name. */
function overrides(words: readonly string[]): Map<string, string> {
  return new Map(words.flatMap((word): [string, string][] => {
    const match = /^(?:management|\*)\.([^=]+)=(.*)$/.exec(word);
    return match?.[1] !== undefined && match[2] !== undefined ? [[match[1], match[2]]] : [];
  }));
}

const argv = process.argv.slice(2);
const args = argumentsOrExit('glusterd', argv);
await daemoniseOrReturn(args);
setProcessName('glusterd');

const platform = createPlatform();
const volfile = args.get('volfile') ?? DEFAULT_VOLFILE;
const logFile = new LogFile(args.has('debug') ? '/dev/stderr' : (args.get('log-file') ?? `${LOG_DIRECTORY}/glusterd.log`));
const log = GlusterLogger.create('management', { sink: logFile.sink, clock: platform.clock, level: logLevelOf(args) });
log.info(100030, 'Started running version', { arg: 'glusterd', version: VERSION, cmdlinestr: args.commandLine });
log.info(0, `Pid of current running process is ${process.pid}`);

try {
  const pidFile = PidFile.create(path.resolve(args.get('pid-file') ?? '/var/run/glusterd.pid'), platform);
  const text = args.get('volfile') === undefined && !existsSync(volfile) ? BUILT_IN_VOLFILE : readFileSync(volfile, 'latin1');
  const brickCommand = [process.env['GLUSTERTS_GLUSTERFSD'] ?? path.resolve(here, '../../../bin/glusterfsd')];
  const config = readConfig(text, overrides(args.all('xlator-option')), brickCommand);
  const running = await startGlusterd(platform, localSystem, config, log);
  if (config.upgrade) {
    pidFile.remove();
    process.exit(0);
  }
  const end = (signal: string, status: number): void => {
    log.info(0, `received signal (${signal}), shutting down`);
    void running.close().finally(() => {
      pidFile.remove();
      process.exit(status);
    });
  };
  process.on('SIGTERM', () => end('SIGTERM', 15));
  process.on('SIGINT', () => end('SIGINT', 2));
  process.on('SIGHUP', () => logFile.reopen());
  process.on('SIGPIPE', () => undefined);
  tellParent(0);
  process.chdir('/');
} catch (error) {
  log.error(0, error instanceof Error ? error.message : String(error));
  process.stderr.write(`glusterd: ${error instanceof Error ? error.message : String(error)}\n`);
  tellParent(1);
  process.exit(1);
}
