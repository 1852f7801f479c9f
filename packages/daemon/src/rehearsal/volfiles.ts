import type { VolfileVolume } from '@glusterts/libglusterfs';

/** A volume as it is written: what a parsed one has, without its lines. */
export interface WrittenVolume {
  readonly name: string;
  readonly type: string;
  readonly options: ReadonlyMap<string, string>;
  readonly subvolumes: readonly string[];
}

/** A volfile of these volumes, children first. */
export function writeVolfile(volumes: readonly WrittenVolume[]): string {
  return volumes
    .map(({ name, type, options, subvolumes }) => {
      const lines = [...options].map(([key, value]) => `    option ${key} ${quoted(value)}\n`).join('');
      const children = subvolumes.length > 0 ? `    subvolumes ${subvolumes.join(' ')}\n` : '';
      return `volume ${name}\n    type ${type}\n${lines}${children}end-volume\n`;
    })
    .join('\n');
}

function quoted(value: string): string {
  return `"${value.replace(/["\\`]/g, '\\$&')}"`;
}

const written = ({ name, type, options, subvolumes }: VolfileVolume): WrittenVolume => ({ name, type, options, subvolumes: subvolumes.map((child) => child.name) });

/** Of protocol/client: where the real brick is, and who we are there. */
const ELSEWHERE = /^(remote-|transport|connect-path|username|password|tcp-window-size)/;

/** A client's volfile with its bricks replaced by others, each on a socket. @returns the volfile, and how many there are */
export function redirectClients(volumes: readonly VolfileVolume[], socketOf: (brick: number) => string, nameOf: (brick: number) => string): { text: string; bricks: number } {
  let bricks = 0;
  const redirected = volumes.map((volume): WrittenVolume => {
    if (volume.type !== 'protocol/client') return written(volume);
    const options = new Map([...volume.options].filter(([key]) => !ELSEWHERE.test(key)));
    options.set('remote-subvolume', nameOf(bricks));
    options.set('transport.socket.connect-path', socketOf(bricks));
    bricks++;
    return { ...written(volume), options };
  });
  return { text: writeVolfile(redirected), bricks };
}

/** A brick in memory, with locks, on a socket. */
export function memoryBrick(name: string, socket: string): string {
  return writeVolfile([
    { name: 'memory', type: 'storage/memory', options: new Map([['size', '256MB']]), subvolumes: [] },
    { name, type: 'features/locks', options: new Map(), subvolumes: ['memory'] },
    { name: 'server', type: 'protocol/server', options: new Map([['transport.socket.listen-path', socket], [`auth.addr.${name}.allow`, '*']]), subvolumes: [name] },
  ]);
}

/** A brick's volfile with everything that lies in its folder moved to another. */
export interface MovedBrick {
  readonly text: string;
  /** The name by which clients ask for it. */
  readonly name: string;
  /** It is one of a dispersed volume's. */
  readonly dispersed: boolean;
}

/** Options that name what belongs to the real brick and lies elsewhere, or make work of their own. */
const REAL_BRICK = new Set(['volume-id', 'listen-port', 'transport.socket.listen-port', 'bind-address', 'transport.socket.bind-address', 'timestamp-file', 'health-check-interval', 'health-check-timeout']);

/**
 * The volfile of a twin of a brick, in `folder`, on a socket. Undefined when it isn't a brick with a folder, or when anything of it would still
 * lie in the real one.
 */
export function moveBrick(volumes: readonly VolfileVolume[], folder: string, socket: string): MovedBrick | undefined {
  const real = volumes.find(({ type }) => type === 'storage/posix')?.options.get('directory');
  const server = volumes.find(({ type }) => type === 'protocol/server');
  const [first] = server?.subvolumes ?? [];
  if (real === undefined || !real.startsWith('/') || real.length < 2 || !server || !first) return undefined;
  const move = (text: string): string => text.replaceAll(real, folder);
  const moved = volumes.map(({ name, type, options, subvolumes }): WrittenVolume => {
    const kept = new Map<string, string>();
    for (const [key, value] of options) if (!REAL_BRICK.has(key) && !(type === 'protocol/server' && key.includes('ssl'))) kept.set(move(key), move(value));
    if (type === 'storage/posix') kept.set('health-check-interval', '0');
    if (type === 'features/marker') kept.set('timestamp-file', `${folder}.tstamp`);
    if (type === 'protocol/server') kept.set('transport.socket.listen-path', socket);
    return { name: move(name), type, options: kept, subvolumes: subvolumes.map((child) => move(child.name)) };
  });
  const dispersed = volumes.some(({ options }) => (options.get('xattrop64-watchlist') ?? '').includes('trusted.ec.'));
  return { text: writeVolfile(moved), name: move(first.name), dispersed };
}

/** One connection to a brick, and nothing above it. */
export function soleClient(brick: string, socket: string): string {
  return writeVolfile([{ name: 'client', type: 'protocol/client', options: new Map([['remote-subvolume', brick], ['transport.socket.connect-path', socket], ['send-gids', 'true']]), subvolumes: [] }]);
}
