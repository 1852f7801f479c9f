import { describe, expect, it } from 'vitest';
import { GRAPH_DEPTH_MAX } from '../src/index.js';
import {
  Errno, FopError, Frame, GfEvent, GlusterLogger, Graph, type GraphOptions, Iatt, Loc, type OptionSpec, type OptionValues, Xlator, type XlatorContext, type XlatorDefinition, XlatorLoader, createPlatform, ROOT_GFID,
} from '../src/index.js';

const platform = createPlatform();

class Leaf extends Xlator {
  override async stat(): Promise<{ stat: Iatt; xdata: undefined }> {
    const stat = new Iatt().setGfid(ROOT_GFID);
    stat.ia_size = this.options.number('size');
    return { stat, xdata: undefined };
  }
  override notify(event: GfEvent, data?: unknown, from?: Xlator): void {
    if (event === GfEvent.PARENT_UP) super.notify(GfEvent.CHILD_UP, this);
    else super.notify(event, data, from);
  }
}

class Plain extends Xlator {}

class Doubler extends Xlator {
  override async stat(frame: Frame, loc: Loc): Promise<{ stat: Iatt; xdata: undefined }> {
    const { stat } = await this.child.stat(frame, loc, undefined);
    stat.ia_size *= 2;
    return { stat, xdata: undefined };
  }
}

class Trouble extends Xlator {
  override init(): void {
    throw new FopError(Errno.EINVAL, undefined, 'not today');
  }
}

const define = (type: string, Type: new (context: XlatorContext) => Xlator, options: readonly OptionSpec[] = []): XlatorDefinition => ({ type, options, create: (context) => new Type(context) });

const definitions = [
  define('test/leaf', Leaf, [{ key: ['size', 'length'], type: 'size', default: '4KB', min: 1, max: 1 << 20 }]),
  define('test/plain', Plain, [{ key: 'word', type: 'str' }]),
  define('test/doubler', Doubler),
  define('test/trouble', Trouble),
];

function setup(extra: Partial<GraphOptions> = {}): { lines: string[]; options: GraphOptions } {
  const lines: string[] = [];
  const log = GlusterLogger.create('test', { sink: (line) => lines.push(line), clock: platform.clock });
  return { lines, options: { platform, loader: new XlatorLoader().add(...definitions), log, ...extra } };
}

const leaf = 'volume leaf\n type test/leaf\n option size 1KB\nend-volume\n';
const plain = (name: string, child: string): string => `volume ${name}\n type test/plain\n subvolumes ${child}\nend-volume\n`;

async function sizeAtTop(graph: Graph): Promise<number> {
  const loc = new Loc({ inode: graph.inodeTable.root });
  return (await graph.topSubvolume.stat(new Frame(), loc, undefined)).stat.ia_size;
}

describe('a graph', () => {
  it('binds a fop past all layers that do not define it', async () => {
    const { options } = setup();
    let text = leaf;
    let below = 'leaf';
    for (let i = 0; i < 5; i++) {
      text += plain(`p${i}`, below);
      below = `p${i}`;
    }
    text += `volume twice\n type test/doubler\n subvolumes ${below}\nend-volume\n`;
    const graph = await Graph.load(text, options);
    await graph.activate();
    const seen: string[] = [];
    graph.setInstrument((xlator, fop) => seen.push(`${xlator.name}.${fop}`));
    expect(await sizeAtTop(graph)).toBe(2048);
    expect(seen.toSorted()).toEqual(['leaf.stat', 'twice.stat']);
    graph.setInstrument(undefined);
    await sizeAtTop(graph);
    expect(seen).toHaveLength(2);
    await graph.fini();
  });

  it('answers EOPNOTSUPP for a fop that no layer defines', async () => {
    const { options } = setup();
    const graph = await Graph.load(leaf, options);
    await graph.activate();
    await expect(graph.topSubvolume.statfs(new Frame(), new Loc({ inode: graph.inodeTable.root }), undefined)).rejects.toMatchObject({ errno: Errno.EOPNOTSUPP });
  });

  it('tells its top when the leaf is up', async () => {
    const { options } = setup();
    const graph = await Graph.load(leaf + plain('top', 'leaf'), options);
    const settled = graph.whenSettled();
    await graph.activate();
    expect(await settled).toBe(GfEvent.CHILD_UP);
    expect(await graph.whenSettled()).toBe(GfEvent.CHILD_UP);
  });

  it('binds a performance xlator past that nobody has, with one warning, and refuses any other unknown type', async () => {
    const { options, lines } = setup();
    const perf = (name: string, type: string, child: string): string => `volume ${name}\n type ${type}\n subvolumes ${child}\nend-volume\n`;
    const graph = await Graph.load(leaf + perf('a', 'performance/not-there', 'leaf') + perf('b', 'performance/neither', 'a') + plain('top', 'b'), options);
    await graph.activate();
    expect(graph.top.children[0]?.name).toBe('leaf');
    expect(lines.filter((line) => line.includes('bound past'))).toHaveLength(1);
    await expect(Graph.load(leaf + perf('a', 'features/not-there', 'leaf'), options)).rejects.toThrow("volfile:6:1: Volume 'a', line 6: type 'features/not-there' is not valid or not found on this machine");
  });

  it('validates options with GlusterFS’s words, fills defaults, knows aliases, and warns of unknown keys', async () => {
    const { options, lines } = setup();
    await expect(Graph.load('volume l\n type test/leaf\n option size 2MB\nend-volume\n', options)).rejects.toThrow("'2097152' in 'option size 2MB' is out of range [1 - 1048576]");
    const graph = await Graph.load('volume l\n type test/leaf\n option length 8KB\n option colour red\nend-volume\n', options);
    await graph.activate();
    expect(await sizeAtTop(graph)).toBe(8192);
    expect(lines.join('')).toContain("0-l: option 'colour' is not recognized");
    const bare = await Graph.load('volume l\n type test/leaf\n option colour red\nend-volume\n', options);
    await bare.activate();
    expect(await sizeAtTop(bare)).toBe(4096);
  });

  it('lets --xlator-option override the file, by a pattern on names', async () => {
    const { options } = setup({ xlatorOptions: ['*ea?.size=3KB', 'other.size=9KB'] });
    const graph = await Graph.load(leaf, options);
    await graph.activate();
    expect(await sizeAtTop(graph)).toBe(3072);
  });

  it('splits --xlator-option at its first dot, for keys have dots too, and refuses one without a key or a value', async () => {
    const seen: string[] = [];
    const { options } = setup({ xlatorOptions: ['leaf.transport.socket.port=1.5'] });
    options.loader.add({ type: 'test/leaf', options: [], create: (context) => {
      seen.push(...[...context.volfileOptions].map(([key, value]) => `${key}=${value}`));
      return new Leaf(context);
    } });
    await Graph.load(leaf, options);
    expect(seen).toContain('transport.socket.port=1.5');
    for (const wrong of ['leaf', 'leaf.size', '.size=1KB', 'leaf=1.5', 'leaf.size=']) {
      await expect(Graph.load(leaf, setup({ xlatorOptions: [wrong] }).options)).rejects.toThrow('--xlator-option takes VOLUME.KEY=VALUE');
    }
  });

  it('takes down what was initialised when an init fails', async () => {
    const { options, lines } = setup();
    const graph = await Graph.load(leaf + 'volume t\n type test/trouble\n subvolumes leaf\nend-volume\n', options);
    await expect(graph.activate()).rejects.toThrow('not today');
    expect(lines.join('')).toContain('Initializing translator failed');
  });

  it('is reconfigured when only options changed, and asks for a new graph when the shape did', async () => {
    const { options } = setup();
    const graph = await Graph.load(leaf + plain('top', 'leaf'), options);
    await graph.activate();
    expect(await graph.reconfigure(leaf.replace('1KB', '5KB') + plain('top', 'leaf'))).toBe('reconfigured');
    expect(await sizeAtTop(graph)).toBe(5120);
    expect(await graph.reconfigure(leaf + plain('mid', 'leaf') + plain('top', 'mid'))).toBe('new-graph');
    await expect(graph.reconfigure(leaf.replace('1KB', 'much') + plain('top', 'leaf'))).rejects.toThrow('invalid number format "much" in option "size"');
    expect(await sizeAtTop(graph)).toBe(5120);
  });

  it('puts autoloaded xlators on top, and finds those of installed packages', async () => {
    const { options } = setup({ autoload: ['meta'] });
    const graph = await Graph.load(leaf, options);
    await graph.activate();
    expect(graph.top.name).toBe('meta-autoload');
    expect(graph.top.type).toBe('meta');
  });

  it('runs release of every xlator once, when the last reference of an fd is gone', async () => {
    const released: string[] = [];
    class Watcher extends Xlator {
      override release(): void {
        released.push(this.name);
      }
      override reconfigure(options: OptionValues): void {
        this.options = options;
      }
    }
    const { options } = setup();
    options.loader.add(define('test/watcher', Watcher));
    const graph = await Graph.load(leaf + 'volume a\n type test/watcher\n subvolumes leaf\nend-volume\nvolume b\n type test/watcher\n subvolumes a\nend-volume\n', options);
    await graph.activate();
    const { Fd } = await import('../src/fd.js');
    const fd = new Fd(graph.inodeTable.create());
    fd.ref();
    fd.unref();
    expect(released).toEqual([]);
    fd.unref();
    expect(released).toEqual(['b', 'a']);
  });
});

describe('a deep graph', () => {
  const chain = (layers: number, type: string): string =>
    leaf + Array.from({ length: layers - 1 }, (_, i) => `volume l${i}\n type ${type}\n subvolumes ${i === 0 ? 'leaf' : `l${i - 1}`}\nend-volume\n`).join('');

  it('of as many layers as are allowed is built, hears events, serves fops that every layer answers, is reconfigured, and ends', async () => {
    class Hearing extends Doubler {
      override notify(event: GfEvent, data?: unknown, from?: Xlator): void {
        super.notify(event, data, from);
      }
    }
    const { options } = setup({ loader: new XlatorLoader().add(...definitions, define('test/hearing', Hearing)) });
    const text = chain(GRAPH_DEPTH_MAX, 'test/hearing');
    const graph = await Graph.load(text, options);
    await graph.activate();
    expect(await graph.whenSettled()).toBe(GfEvent.CHILD_UP);
    expect(await sizeAtTop(graph)).toBe(1024 * 2 ** (GRAPH_DEPTH_MAX - 1));
    expect(await graph.reconfigure(text)).toBe('reconfigured');
    await graph.fini();
  });

  it('of more is refused by a message that names the limit', async () => {
    const { options } = setup();
    await expect(Graph.load(chain(3000, 'test/plain'), options)).rejects.toThrow(`volume 'l${GRAPH_DEPTH_MAX - 1}' has ${GRAPH_DEPTH_MAX} layers below it: a graph has ${GRAPH_DEPTH_MAX} layers at most`);
  });
});

describe('latency', () => {
  it('is measured for each xlator and fop while it is switched on, and shown as 10.3 shows it', async () => {
    const { options } = setup();
    const graph = await Graph.load(`${leaf}volume top\n type test/doubler\n subvolumes leaf\nend-volume\n`, options);
    await graph.activate();
    await sizeAtTop(graph);
    graph.latency.enabled = true;
    await sizeAtTop(graph);
    await sizeAtTop(graph);
    graph.latency.enabled = false;
    await sizeAtTop(graph);
    const lines: string[] = [];
    graph.latency.dump({ section: (title) => lines.push(`[${title}]`), write: (key, value) => lines.push(`${key}=${value}`) }, graph.top);
    expect(lines[0]).toBe('[top.latency]');
    expect(lines[1]).toMatch(/^top\.latency\.STAT=AVG:\d+\.\d{6} CNT:2 TOTAL:\d+ MIN:\d+ MAX:\d+$/);
    expect(graph.latency.get(graph.top.child.xlator, 'STAT')?.count).toBe(2);
    graph.latency.reset(graph.top);
    expect(graph.latency.get(graph.top, 'STAT')).toBeUndefined();
    await graph.fini();
  });
});
