/** gluster: the command line. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { createPlatform, utf8 } from '@glusterts/libglusterfs';
import { runGluster } from '@glusterts/cli';

const argv = process.argv.slice(2);
const logPath = argv.find((word) => word.startsWith('--log-file='))?.slice('--log-file='.length) ?? '/var/log/glusterfs/cli.log';

/** Appends to the log; one that can't be opened is no error. */
function log(line: string): void {
  try {
    const fd = openSync(logPath, 'a', 0o600);
    writeSync(fd, line);
    closeSync(fd);
  } catch {
    // There is nowhere to say it.
  }
}

const status = await runGluster(argv.map((word) => utf8(word)), { platform: createPlatform(), interactive: process.stdin.isTTY === true, log });
process.exit(status);
