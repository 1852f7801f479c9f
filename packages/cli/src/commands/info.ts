import { type Bytes, Dict } from '@glusterts/libglusterfs';
import { type GfCliRsp, GlusterCli } from '@glusterts/rpc-xdr';
import { type Command, CommandFailure, type CommandRun, dictOf } from '../session.js';
import { leaf, type XmlElement } from '../xml.js';

const Which = { ONE: 2, NEXT: 3 } as const;
const NAME_MAX = 256;
const gone = (name: string): string => `${name} [NOT SUPPORTED from v6.0]`;
const TYPES = [
  'Distribute', gone('Stripe'), 'Replicate', gone('Striped-Replicate'), 'Disperse', gone('Tier'), gone('Distributed-Stripe'), 'Distributed-Replicate', gone('Distributed-Striped-Replicate'), 'Distributed-Disperse',
];
const STATUS = ['Created', 'Started', 'Stopped'];
const TRANSPORTS = ['tcp', 'rdma', 'tcp,rdma'];

/** `volume info` (spec/cli.md, §6.4). */
export const volumeInfo: Command = async (run) => {
  const [name, ...more] = run.words.slice(2);
  if (more.length > 0) throw run.usage();
  if (name === undefined || name === 'all') return infoAll(run);
  if (name.length > NAME_MAX) {
    run.out('Invalid volume name');
    run.out('Getting Volume information failed!');
    throw new CommandFailure(1);
  }
  const reply = await run.call(GlusterCli.GET_VOLUME, { dict: new Dict().setStr('volname', name as Bytes).setInt('flags', Which.ONE) });
  const volumes = readVolumes(reply);
  if (run.options.xml) return printXml(run, reply, volumes);
  if (volumes.length > 0) for (const volume of volumes) printVolume(run, volume);
  else if (reply.dict === undefined || reply.dict.size === 0) run.err('No volumes present');
  else throw run.fail(`Volume ${name} does not exist`);
};

async function infoAll(run: CommandRun): Promise<void> {
  const all: VolumeView[] = [];
  let reply: GfCliRsp;
  let last: string | undefined;
  do {
    const request = new Dict();
    if (last !== undefined) request.setStr('volname', last as Bytes);
    reply = await run.call(GlusterCli.GET_VOLUME, { dict: request.setInt('flags', Which.NEXT) });
    const volumes = readVolumes(reply);
    if (!run.options.xml) for (const volume of volumes) printVolume(run, volume);
    all.push(...volumes);
    last = volumes.at(-1)?.name;
  } while (last !== undefined);
  if (run.options.xml) return printXml(run, reply, all);
  if (all.length === 0) run.err('No volumes present');
}

/** A volume as GET_VOLUME's dict describes it. */
interface VolumeView {
  readonly name: string;
  readonly numbers: (key: string) => number;
  readonly id: string;
  readonly bricks: readonly { readonly name: string; readonly uuid: string; readonly arbiter: boolean }[];
  readonly thinArbiter: string | undefined;
  /** As they are printed. */
  readonly options: readonly (readonly [string, string])[];
}

function readVolumes(reply: GfCliRsp): VolumeView[] {
  const dict = dictOf(reply);
  return Array.from({ length: dict.getNumber('count') ?? 0 }, (_, at) => {
    const prefix = `volume${at}.`;
    const numbers = (key: string): number => dict.getNumber(`${prefix}${key}`) ?? 0;
    const bricks = Array.from({ length: numbers('brick_count') }, (_unused, brick) => {
      const key = `${prefix}brick${brick + 1}`;
      return { name: dict.getStr(key) ?? '', uuid: dict.getStr(`${key}.uuid`) ?? '', arbiter: dict.getNumber(`${key}.isArbiter`) === 1 };
    });
    // Options come out in the reverse of their order on the wire.
    const options = dict.entries().reverse().filter(([key]) => key.startsWith(`${prefix}option.`)).map(([key]) => [key.slice(prefix.length + 'option.'.length), dict.getStr(key) ?? ''] as const);
    return { name: dict.getStr(`${prefix}name`) ?? '', numbers, id: dict.getStr(`${prefix}volume_id`) ?? '', bricks, thinArbiter: dict.getStr(`${prefix}thin_arbiter_brick`), options };
  });
}

/** Index of a volume's type among {@link TYPES}: five more when it is distributed. */
function typeOf(volume: VolumeView): number {
  const type = volume.numbers('type');
  return type > 0 && volume.numbers('dist_count') < volume.numbers('brick_count') ? type + 5 : type;
}

function brickCounts(volume: VolumeView): string {
  const { numbers } = volume;
  const bricks = numbers('brick_count');
  const sets = numbers('dist_count') > 0 ? bricks / numbers('dist_count') : bricks;
  if (numbers('disperse_count') > 0) {
    const redundancy = numbers('redundancy_count');
    return `${sets} x (${numbers('disperse_count') - redundancy} + ${redundancy}) = ${bricks}`;
  }
  if (numbers('type') !== 2) return String(bricks);
  const arbiters = numbers('arbiter_count');
  const replicas = numbers('replica_count');
  return arbiters > 0 ? `${sets} x (${replicas - arbiters} + ${arbiters}) = ${bricks}` : `${sets} x ${replicas} = ${bricks}`;
}

function printVolume(run: CommandRun, volume: VolumeView): void {
  const { numbers } = volume;
  run.out(' ');
  run.out(`Volume Name: ${volume.name}`);
  run.out(`Type: ${TYPES[typeOf(volume)] ?? 'Unknown'}`);
  run.out(`Volume ID: ${volume.id}`);
  run.out(`Status: ${STATUS[numbers('status')] ?? 'Unknown'}`);
  run.out(`Snapshot Count: ${numbers('snap_count')}`);
  run.out(`Number of Bricks: ${brickCounts(volume)}`);
  run.out(`Transport-type: ${TRANSPORTS[numbers('transport')] ?? 'Unknown'}`);
  run.out('Bricks:');
  volume.bricks.forEach((brick, at) => run.out(`Brick${at + 1}: ${brick.name}${brick.arbiter ? ' (arbiter)' : ''}`));
  if (numbers('thin_arbiter_count') > 0) run.out(`Thin-arbiter-path: ${volume.thinArbiter}`);
  if (volume.options.length > 0) run.out('Options Reconfigured:');
  for (const [key, value] of volume.options) run.out(`${key}: ${value}`);
}

function printXml(run: CommandRun, reply: GfCliRsp, volumes: readonly VolumeView[]): void {
  run.xml(reply, [{ name: 'volInfo', children: [{ name: 'volumes', children: [...volumes.map(toXml), leaf('count', volumes.length)] }] }]);
}

function toXml(volume: VolumeView): XmlElement {
  const { numbers } = volume;
  const type = typeOf(volume);
  const distCount = numbers('dist_count') > 0 ? numbers('brick_count') / numbers('dist_count') : 0;
  return {
    name: 'volume',
    children: [
      leaf('name', volume.name), leaf('id', volume.id), leaf('status', numbers('status')), leaf('statusStr', STATUS[numbers('status')]), leaf('snapshotCount', numbers('snap_count')),
      leaf('brickCount', numbers('brick_count')), leaf('distCount', distCount), leaf('replicaCount', numbers('replica_count')), leaf('arbiterCount', numbers('arbiter_count')),
      leaf('disperseCount', numbers('disperse_count')), leaf('redundancyCount', numbers('redundancy_count')), leaf('type', type), leaf('typeStr', TYPES[type]), leaf('transport', numbers('transport')),
      {
        name: 'bricks',
        children: volume.bricks.map((brick) => ({
          name: 'brick', attributes: { uuid: brick.uuid }, text: brick.name, children: [leaf('name', brick.name), leaf('hostUuid', brick.uuid), leaf('isArbiter', brick.arbiter ? 1 : 0)],
        })),
      },
      leaf('optCount', volume.options.length),
      { name: 'options', children: volume.options.map(([name, value]) => ({ name: 'option', children: [leaf('name', name), leaf('value', value)] })) },
    ],
  };
}

/** `volume list`. */
export const volumeList: Command = async (run) => {
  const reply = await run.call(GlusterCli.LIST_VOLUME, { dict: undefined });
  const dict = dictOf(reply);
  const names = Array.from({ length: dict.getNumber('count') ?? 0 }, (_, at) => dict.getStr(`volume${at}`) ?? '');
  if (run.options.xml) return run.xml(reply, [{ name: 'volList', children: [leaf('count', names.length), ...names.map((name) => leaf('volume', name))] }]);
  if (reply.op_ret !== 0) throw run.fail(reply.op_errstr === '' ? 'volume list: failed' : reply.op_errstr);
  if (names.length === 0) run.err('No volumes present in cluster');
  for (const name of names) run.out(name);
};
