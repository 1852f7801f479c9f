import { type Bytes, Dict, Errno } from '@glusterts/libglusterfs';
import type { GfGetspecReq, GfGetspecRsp } from '@glusterts/rpc-xdr';
import type { Glusterd } from '../glusterd.js';

const KEY_MAX = 255;

/** Answers GETSPEC (spec/glusterd.md, §9). Trusted callers are this machine's. */
export function getspec(glusterd: Glusterd, request: GfGetspecReq, trusted: boolean): GfGetspecRsp {
  const fail = (errno: number): GfGetspecRsp => ({ op_ret: -1, op_errno: errno, spec: '' as Bytes, xdata: undefined });
  if (request.key.length >= KEY_MAX || request.key.split('/').includes('..')) return fail(Errno.EINVAL);
  const volume = glusterd.find(request.key.replace(/^\//, ''));
  if (volume) {
    const lowest = request.xdata?.getNumber('min-op-version') ?? 1;
    const highest = request.xdata?.getNumber('max-op-version') ?? 1;
    if (volume.clientOpVersion < lowest || volume.clientOpVersion > highest) return fail(Errno.EOPNOTSUPP);
  }
  const found = locate(glusterd, request.key, trusted);
  const spec = found && glusterd.store.readVolfile(found.volume, found.file);
  if (spec === undefined || spec === '') return fail(Errno.ENOENT);
  const xdata = new Dict();
  if (request.key.startsWith('shd/')) xdata.setStr('pidfile', `${glusterd.config.rundir}/shd/${found?.volume}/${found?.volume}-shd.pid`);
  return { op_ret: spec.length, op_errno: 0, spec: spec as Bytes, xdata };
}

interface VolfilePlace {
  readonly volume: string;
  readonly file: string;
}

/** Volfile ids with a word before the volume's name, and the file they mean. */
const prefixed: readonly (readonly [string, (volume: string) => string])[] = [
  ['snapd/', (volume) => `${volume}-snapd.vol`],
  ['gfproxy-client/', (volume) => `trusted-${volume}.tcp-gfproxy-fuse.vol`],
  ['gfproxyd/', (volume) => `${volume}.gfproxyd.vol`],
  ['shd/', (volume) => `${volume}-shd.vol`],
  ['rebalance/', (volume) => `${volume}-rebalance.vol`],
];

function locate(glusterd: Glusterd, key: string, trusted: boolean): VolfilePlace | undefined {
  for (const [prefix, file] of prefixed) {
    const at = key.indexOf(prefix);
    if (at < 0) continue;
    const volume = glusterd.find(key.slice(at + prefix.length))?.name;
    return volume === undefined ? undefined : { volume, file: file(volume) };
  }
  const plain = key.replace(/^\//, '');
  if (plain.includes('/')) return undefined;
  const whole = glusterd.find(plain);
  const volume = whole ?? glusterd.find(plain.split('.')[0] ?? '');
  if (!volume) return undefined;
  const own = `${plain}.vol`;
  if (glusterd.store.readVolfile(volume.name, own) !== undefined) return { volume: volume.name, file: own };
  const suffix = plain.includes('.') ? '' : '.tcp';
  const trust = trusted && volume.username !== '' ? 'trusted-' : '';
  return { volume: volume.name, file: `${trust}${plain}${suffix}-fuse.vol` };
}
