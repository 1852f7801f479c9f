import { DEFAULT_TIMEOUT_S } from './session.js';

/** What the command line of gluster says (spec/cli.md, §2). */
export interface CliArguments {
  readonly words: string[];
  script: boolean;
  xml: boolean;
  wignore: boolean;
  wignorePartition: boolean;
  timeoutS: number;
  socket: string;
  remoteHost: string | undefined;
  inet6: boolean;
  logFile: string;
  logLevel: string;
  /** Said on stderr, and gone on. */
  readonly warnings: string[];
}

/** Options after which there is nothing left to do. */
export type CliAnswer = 'help' | 'version' | 'print-logdir' | 'print-statedumpdir';

/** Words that can't be taken. */
export interface CliRefusal {
  readonly out: string;
  readonly err: string;
  readonly status: number;
}

export const DEFAULT_SOCKET = '/var/run/glusterd.socket';
const LEVELS = ['CRITICAL', 'ERROR', 'WARNING', 'INFO', 'DEBUG', 'TRACE', 'NONE'];
const BOOLEANS = ['on', 'yes', 'true', 'enable', '1', 'off', 'no', 'false', 'disable', '0'];

/** Takes the options out of the words, wherever they stand. */
export function parseArguments(argv: readonly string[], usage: string): CliArguments | CliAnswer | CliRefusal {
  const args: CliArguments = {
    words: [], script: false, xml: false, wignore: false, wignorePartition: false, timeoutS: DEFAULT_TIMEOUT_S, socket: DEFAULT_SOCKET, remoteHost: undefined, inet6: false,
    logFile: '/var/log/glusterfs/cli.log', logLevel: 'INFO', warnings: [],
  };
  const geoConfig = argv.length > 4 && argv[1]?.startsWith('geo') === true && argv[4]?.startsWith('co') === true;
  let ended = geoConfig;
  for (const word of argv) {
    if (ended || !word.startsWith('--')) args.words.push(word);
    else if (word === '--') ended = true;
    else {
      const taken = takeOption(args, word.slice(2));
      if (taken === 'unknown') return { out: `unrecognized option ${word}\n${usage}`, err: '', status: 255 };
      if (taken === 'bad-timeout') return { out: '', err: 'timeout value should be a positive integer\n', status: 254 };
      if (taken !== 'taken') return taken;
    }
  }
  return args;
}

function takeOption(args: CliArguments, option: string): 'taken' | 'unknown' | 'bad-timeout' | CliAnswer {
  switch (option) {
    case 'help':
    case 'version':
    case 'print-logdir':
    case 'print-statedumpdir':
      return option;
    case 'mode=script':
      args.script = true;
      return 'taken';
    case 'mode=interactive':
    case 'nolog':
      return 'taken';
    case 'xml':
      args.xml = true;
      return 'taken';
    case 'wignore':
      args.wignore = true;
      return 'taken';
    case 'wignore-partition':
      args.wignorePartition = true;
      return 'taken';
    default:
      return takeValue(args, option);
  }
}

function takeValue(args: CliArguments, option: string): 'taken' | 'unknown' | 'bad-timeout' {
  if (option.startsWith('inet6')) {
    args.inet6 = true;
    return 'taken';
  }
  const at = option.indexOf('=');
  const value = option.slice(at + 1);
  switch (at < 0 ? option : option.slice(0, at)) {
    case 'remote-host':
      args.remoteHost = value;
      return 'taken';
    case 'glusterd-sock':
      args.socket = value;
      return 'taken';
    case 'log-file':
      args.logFile = value;
      return 'taken';
    case 'log-level':
      if (!LEVELS.includes(value.toUpperCase())) return 'unknown';
      args.logLevel = value.toUpperCase();
      return 'taken';
    case 'secure-mgmt':
      if (!BOOLEANS.includes(value.toLowerCase())) args.warnings.push('invalid secure-mgmt value (ignored)');
      return 'taken';
    case 'timeout':
      if (!/^[0-9]+$/.test(value) || Number(value) <= 0) return 'bad-timeout';
      args.timeoutS = Number(value);
      return 'taken';
    default:
      return 'unknown';
  }
}
