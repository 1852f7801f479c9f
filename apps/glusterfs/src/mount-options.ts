/** The line of `mount.glusterfs` became a refusal: what is said, and the exit status. */
export class MountRefusal extends Error {
  readonly status: number;
  /** Said on stdout as well. */
  readonly out: string;

  constructor(message: string, status: number, out = '') {
    super(message);
    this.status = status;
    this.out = out;
  }
}

/** What a mount was asked for, before any of it is looked at on disk. */
export interface MountLine {
  readonly spec: string;
  readonly mountpoint: string;
  /** Of all -o, in the order typed. */
  readonly options: readonly string[];
}

const manual = (program: string): string => `Usage:\nman 8 ${program}`;

export function helpText(program: string): string {
  return `Usage: ${program} <server>:<volume/subdir> <mountpoint> -o<options>\nOptions:\nman 8 mount.glusterfs\nTo display the version number of the mount helper: ${program} -V\n`;
}

/** The first two words are always SPEC and MOUNTPOINT, options come after (spec/cli.md, §11). Throws MountRefusal. */
export function readLine(program: string, argv: readonly string[]): MountLine | 'version' {
  const [spec = '', mountpoint = '', ...rest] = argv;
  if (spec === '-V') return 'version';
  if (spec === '-h') throw new MountRefusal('', 0, helpText(program));
  const options: string[] = [];
  for (let at = 0; at < rest.length && (rest[at] ?? '').startsWith('-'); at++) {
    const word = rest[at] ?? '';
    if (word === '-V') return 'version';
    if (word === '-n' || word === '-s') continue;
    if (word.startsWith('-o')) options.push(...(word === '-o' ? (rest[++at] ?? '') : word.slice(2)).split(',').filter((option) => option !== ''));
    else throw new MountRefusal(word === '-h' ? '' : `Illegal option ${word.slice(0, 2)}`, 0, helpText(program));
  }
  return { spec, mountpoint, options };
}

const FLAGS = ['ro', 'acl', 'selinux', 'enable-ino32', 'worm', 'mem-accounting', 'aux-gfid-mount', 'resolve-gids', 'thin-client', 'global-threading', 'localtime-logging'];
/** In the order in which they stand on the command line of glusterfs. */
const FLAG_ORDER = [
  'read-only', 'acl', 'selinux', 'enable-ino32', 'worm', 'volfile-max-fetch-attempts', 'volfile-check', 'mem-accounting', 'aux-gfid-mount', 'resolve-gids', 'no-root-squash', 'thin-client', 'global-threading', 'localtime-logging',
  'fopen-keep-cache', 'halo-max-latency', 'halo-max-replicas', 'halo-min-replicas', 'log-level', 'log-file', 'direct-io-mode', 'use-readdirp', 'event-history', 'reader-thread-count', 'auto-invalidation', 'volume-name',
  'attribute-timeout', 'entry-timeout', 'negative-timeout', 'gid-timeout', 'lru-limit', 'invalidate-limit', 'background-qlen', 'congestion-threshold', 'oom-score-adj', 'fuse-mountopts', 'xlator-option',
  'kernel-writeback-cache', 'attr-times-granularity', 'dump-fuse', 'fuse-flush-handle-interrupt',
];
const VALUED = new Set(FLAG_ORDER.slice(FLAG_ORDER.indexOf('direct-io-mode')).filter((name) => name !== 'fuse-mountopts'));
const LEVELS = ['CRITICAL', 'ERROR', 'WARNING', 'INFO', 'DEBUG', 'TRACE', 'NONE'];
const OF_THE_KERNEL = ['atime', 'diratime', 'relatime', 'strictatime', 'lazyatime', 'dev', 'exec', 'suid'].flatMap((name) => [name, `no${name}`]).concat('auto_unmount');
const UNHANDLED = ['async', 'sync', 'dirsync', 'mand', 'nomand', 'silent', 'loud', 'iversion', 'noiversion', 'nofail'];
const DROPPED = ['rw', 'auto', 'noauto', '_netdev'];
const CONTEXTS = ['context', 'fscontext', 'defcontext', 'rootcontext'];

/** What the -o of a mount ask of glusterfs. */
export interface MountOptions {
  /** Options of glusterfs, by name; a flag has the value undefined. */
  readonly given: ReadonlyMap<string, string | undefined>;
  readonly kernel: readonly string[];
  readonly backups: readonly string[];
  readonly other: Readonly<Partial<Record<'volume-id' | 'subdir-mount' | 'server-port' | 'transport' | 'process-name' | 'io-engine' | 'fuse-dev-eperm-ratelimit-ns', string>>>;
  /** Said on stderr, and gone on. */
  readonly warnings: readonly string[];
}

const OTHER = ['volume-id', 'subdir-mount', 'server-port', 'transport', 'process-name', 'io-engine', 'fuse-dev-eperm-ratelimit-ns'] as const;

/** Sorts the options by what becomes of them. Throws MountRefusal for one that is none. */
export function readOptions(options: readonly string[]): MountOptions {
  const given = new Map<string, string | undefined>();
  const kernel: string[] = [];
  const warnings: string[] = [];
  const other: Partial<Record<(typeof OTHER)[number], string>> = {};
  let backups: readonly string[] | undefined;
  let backup: string | undefined;
  for (const option of options) {
    const equals = option.indexOf('=');
    if (equals < 0) takeWord(option, given, kernel, warnings);
    else {
      const [name, value] = [option.slice(0, equals), option.slice(equals + 1)];
      const own = OTHER.find((each) => each === name);
      if (own !== undefined) other[own] = value;
      else if (name === 'backup-volfile-servers') backups = splitServers(value);
      else if (name === 'backupvolfile-server') backup = value;
      else takeValue(name, value, given, kernel, warnings);
    }
  }
  return { given, kernel, backups: backups ?? (backup === undefined ? [] : [backup]), other, warnings };
}

/** `A:B:[::1]`. */
function splitServers(text: string): string[] {
  return [...text.matchAll(/\[([^\]]*)\]|[^:]+/g)].map((match) => match[1] ?? match[0]);
}

function takeWord(word: string, given: Map<string, string | undefined>, kernel: string[], warnings: string[]): void {
  if (FLAGS.includes(word)) given.set(word === 'ro' ? 'read-only' : word, undefined);
  else if (word === 'fopen-keep-cache') given.set(word, 'true');
  else if (OF_THE_KERNEL.includes(word)) kernel.push(word);
  else if (UNHANDLED.includes(word)) warnings.push(`mount option '${word}' is not handled (yet?)`);
  else if (!DROPPED.includes(word) && !word.startsWith('x-')) throw new MountRefusal(`Invalid option ${word}`, 1);
}

function takeValue(name: string, value: string, given: Map<string, string | undefined>, kernel: string[], warnings: string[]): void {
  if (name === 'log-level') {
    const level = value.toUpperCase();
    if (!LEVELS.includes(level)) warnings.push(`invalid log level ${value}, using INFO`);
    given.set(name, LEVELS.includes(level) ? level : 'INFO');
  } else if (name === 'no-root-squash' || name === 'root-squash') {
    const squash = (name === 'root-squash' ? ['no', 'off', 'disable', 'false'] : ['yes', 'on', 'enable', 'true']).includes(value);
    if (squash) given.set('no-root-squash', undefined);
  } else if (name === 'volfile-check') given.set(name, undefined);
  else if (name === 'fetch-attempts') given.set('volfile-max-fetch-attempts', value);
  else if (name === 'fuse-mountopts') kernel.push(value);
  else if (CONTEXTS.includes(name)) kernel.push(`${name}="${value}"`);
  else if (name.startsWith('halo-') && FLAG_ORDER.includes(name)) given.set(name, value);
  else if (name === 'log-file' || name === 'fopen-keep-cache' || VALUED.has(name)) given.set(name, value);
  else if (!name.startsWith('x-')) throw new MountRefusal(`Invalid option: ${name}`, 1);
}

const NAME_MAX = 63;

export interface Volume {
  readonly servers: readonly string[];
  readonly id: string;
  readonly subdirectory: string | undefined;
}

/** `HOST[,HOST]…:VOLUME[/DIR]`. Throws MountRefusal. */
export function readSpec(program: string, spec: string): Volume {
  const colon = spec.lastIndexOf(':');
  const volume = colon < 0 ? '' : spec.slice(colon + 1);
  if (colon <= 0 || volume === '') throw new MountRefusal(`ERROR: Server name/volume name unspecified cannot proceed further..\nPlease specify correct format\n${manual(program)}`, 1);
  const servers = spec.slice(0, colon).split(',').filter((name) => name !== '' && name.length <= NAME_MAX);
  const [, id = volume, below = ''] = /^(\/?[^/]+)\/*(.*?)\/*$/.exec(volume) ?? [];
  if (/^\/?snaps$/.test(id)) return { servers, id: volume, subdirectory: undefined };
  return { servers, id, subdirectory: below === '' ? undefined : below };
}

/** The words for a mount point that is none. */
export function refuseMountpoint(program: string, why: 'options' | 'absent'): MountRefusal {
  const [what, ask] = why === 'options' ? ['ERROR: -o options cannot be specified in either first two arguments..', 'Please specify correct style'] : ['ERROR: Mount point does not exist', 'Please specify a mount point'];
  return new MountRefusal(`${what}\n${ask}\n${manual(program)}`, 1);
}

/** The arguments of glusterfs, in the original's order. `volume` is the path of a volfile, or what {@link readSpec} read. */
export function glusterfsArguments(volume: Volume | string, mountpoint: string, options: MountOptions): string[] {
  const { other } = options;
  const given = new Map(options.given);
  if (typeof volume !== 'string' && /^\/?snaps\//.test(volume.id)) given.set('read-only', undefined);
  const kernel = options.kernel.length === 0 ? [] : [`--fuse-mountopts=${options.kernel.join(',')}`];
  const words = FLAG_ORDER.flatMap((name): string[] => {
    if (name === 'fuse-mountopts') return kernel;
    if (!given.has(name)) return [];
    const value = given.get(name);
    if (name.startsWith('halo-')) return ['--xlator-option', `*replicate*.${name}=${value ?? ''}`];
    return [value === undefined ? `--${name}` : `--${name}=${value}`];
  });
  words.push('--process-name', other['process-name'] === undefined ? 'fuse' : `fuse.${other['process-name']}`);
  if (other['io-engine'] !== undefined) words.push(`--io-engine=${other['io-engine']}`);
  if (typeof volume === 'string') words.push(`--volfile=${volume}`);
  else {
    words.push(...[...volume.servers, ...options.backups].map((server) => `--volfile-server=${server}`));
    if (other['server-port'] !== undefined) words.push(`--volfile-server-port=${other['server-port']}`);
    if (other.transport !== undefined) words.push(`--volfile-server-transport=${other.transport}`);
    words.push(`--volfile-id=${volume.id}${other.transport === undefined ? '' : `.${other.transport}`}`);
  }
  words.push(...kernel);
  const below = other['subdir-mount'] ?? (typeof volume === 'string' ? undefined : volume.subdirectory);
  if (below !== undefined) words.push(`--subdir-mount=/${below.replace(/^\/+/, '')}`);
  if (other['fuse-dev-eperm-ratelimit-ns'] !== undefined) words.push(`--fuse-dev-eperm-ratelimit-ns=${other['fuse-dev-eperm-ratelimit-ns']}`);
  return [...words, mountpoint];
}
