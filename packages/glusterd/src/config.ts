import { parseVolfile } from './management-volfile.js';

/** What glusterd is told by its volfile and its command line (spec/glusterd.md, §1). Paths are absolute. */
export interface GlusterdConfig {
  readonly workdir: string;
  readonly rundir: string;
  readonly logdir: string;
  /** Address of the TCP listener; undefined: any. Bricks are told to bind to it too. */
  readonly bindAddress: string | undefined;
  readonly listenPort: number;
  /** The CLI's unix socket. */
  readonly socketFile: string;
  readonly addressFamily: string | undefined;
  /** First and last port of bricks, inclusive. */
  readonly basePort: number;
  readonly maxPort: number;
  readonly pingTimeoutS: number;
  readonly eventThreads: number;
  /** Regenerate all volfiles, then exit. */
  readonly upgrade: boolean;
  /** Command of brick processes: `/usr/sbin/glusterfsd`, or node and our own. */
  readonly brickCommand: readonly string[];
}

export const GLUSTERD_PORT = 24007;
const EVENT_THREADS_MAX = 32;

/** A volfile or an option that glusterd can't start with. */
export class ConfigError extends Error {}

/**
 * Reads `management` of glusterd.vol, with the command line's `--xlator-option`s over it.
 *
 * @throws ConfigError when there is no such volume, a number is none or it is out of its range.
 */
export function readConfig(volfile: string, overrides: ReadonlyMap<string, string>, brickCommand: readonly string[]): GlusterdConfig {
  const volume = parseVolfile(volfile);
  if (!volume) throw new ConfigError('the volfile has no volume of type mgmt/glusterd');
  const options = new Map([...volume, ...overrides]);
  const port = (key: string, fallback: number): number => {
    const text = options.get(key);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (!Number.isInteger(value) || value < 0 || value > 65535) throw new ConfigError(`${key}: ${text} is no port`);
    return value;
  };
  const threads = options.get('event-threads') ?? '1';
  const eventThreads = Number(threads);
  if (!Number.isInteger(eventThreads)) throw new ConfigError(`invalid number format "${threads}" in option "event-threads"`);
  if (eventThreads < 1 || eventThreads > EVENT_THREADS_MAX) throw new ConfigError(`'${threads}' in 'option event-threads ${threads}' is out of range [1 - ${EVENT_THREADS_MAX}]`);
  return {
    workdir: options.get('working-directory') ?? '/var/lib/glusterd',
    rundir: options.get('run-directory') ?? '/var/run/gluster',
    logdir: options.get('logging-directory') ?? '/var/log/glusterfs',
    bindAddress: options.get('transport.socket.bind-address'),
    listenPort: port('transport.socket.listen-port', GLUSTERD_PORT),
    socketFile: options.get('glusterd-sockfile') ?? '/var/run/glusterd.socket',
    addressFamily: options.get('transport.address-family'),
    basePort: port('base-port', 49152),
    maxPort: port('max-port', 65535),
    pingTimeoutS: Number(options.get('ping-timeout') ?? '30'),
    eventThreads,
    upgrade: ['on', 'yes', 'true', 'enable', '1'].includes(options.get('upgrade') ?? 'off'),
    brickCommand,
  };
}
