import { type Bytes, Errno, GfEvent, type FuseDevice, type GraphRootView, type Inode, type Logger, FopError, NO_ADDON, type Platform, type StatedumpWriter } from '@glusterts/libglusterfs';
import { ActiveGraph, type MountGraph } from './active-graph.js';
import { FuseBridge } from './bridge.js';
import { FuseDump } from './dump-fuse.js';
import { switchGraph } from './graph-switch.js';
import { mountFuse, raiseReadahead, unmountFuse, unmountThroughFusermount } from './mount-point.js';
import { type FuseOptions, type FuseOptionsInit, fuseOptions } from './options.js';

/** Reading again after EPERM (spec/client.md, §6.1). */
const EPERM_DELAY_MS = 10;

/** Why a mount ended. */
export interface MountEnd {
  /** `unmounted`: by us or by umount(8); `auth-failed`: the volume refused us; `broken`: the kernel and we don't understand each other. */
  readonly reason: 'unmounted' | 'auth-failed' | 'broken';
  readonly detail: string;
}

export interface FuseMountInit extends FuseOptionsInit {
  readonly platform: Platform;
  readonly log: Logger;
  /** Who mounts; root by default. mount(2) is told, and decides whether fusermount3 is needed. */
  readonly ids?: { readonly uid: number; readonly gid: number };
}

/**
 * A volume at a mount point: mount/fuse, the root above the graph (docs/fuse.md).
 *
 * ```ts
 * const mount = FuseMount.mount(undefined, { mountpoint: '/mnt/v', fsname: 'host:v', platform, log });
 * const graph = await Graph.load(volfile, { platform, loader, log, autoload: ['meta'], inodeTable: mount.inodeTable });
 * await graph.activate();
 * await mount.setGraph(graph);
 * const { reason } = await mount.done;
 * ```
 */
export class FuseMount {
  readonly options: FuseOptions;
  /** Resolves once, when the file system is gone and everything is let go. */
  readonly done: Promise<MountEnd>;
  readonly #platform: Platform;
  readonly #log: Logger;
  readonly #bridge: FuseBridge;
  readonly #fd: number;
  readonly #unwatch: (() => void) | undefined;
  readonly #device: FuseDevice;
  #resolveDone: (end: MountEnd) => void = () => undefined;
  #ended = false;
  #switching: Promise<void> = Promise.resolve();

  /**
   * Mounts. Requests wait until there is a graph, whether it is given now or with {@link setGraph}. Throws a FopError:
   * ENOENT, EBUSY, ENODEV … of mount(2), EOPNOTSUPP without the native addon; a RangeError for bad options.
   */
  static mount(graph: MountGraph | undefined, init: FuseMountInit): FuseMount {
    const mount = new FuseMount(init);
    if (graph) mount.setGraph(graph).catch((error: unknown) => mount.#log.error(0, `no graph: ${String(error)}`));
    return mount;
  }

  private constructor(init: FuseMountInit) {
    this.options = fuseOptions(init);
    this.#platform = init.platform;
    this.#log = init.log;
    this.done = new Promise((resolve) => (this.#resolveDone = resolve));
    this.#bridge = new FuseBridge(init.platform, this.options, init.log, (detail) => this.#break(detail));
    const dump = this.options['dump-fuse'] === undefined ? undefined : new FuseDump(init.platform, this.options['dump-fuse'] as Bytes, init.log);
    const mounted = mountFuse(init.platform, this.options, init.log, init.ids ?? { uid: 0, gid: 0 });
    this.#fd = mounted.fd;
    this.#unwatch = mounted.unwatch;
    if (init.platform.openFuseDevice === undefined) throw new FopError(Errno.EOPNOTSUPP, undefined, NO_ADDON);
    const device = init.platform.openFuseDevice(this.#fd, this.options['max-io-size'], {
      onRequest: (message, payload) => {
        dump?.request(message, payload);
        this.#bridge.receive(message, payload);
      },
      onError: (errno) => this.#onDeviceError(errno),
    });
    this.#device = dump?.watch(device) ?? device;
    this.#bridge.attach(this.#device);
    raiseReadahead(init.platform, this.options);
  }

  /** For the graph's inode table: `lruLimit` of --lru-limit, and who asks the kernel to forget. */
  inodeTable(lruLimit = 65536): { lruLimit: number; invalidate: (inode: Inode) => boolean } {
    return { lruLimit, invalidate: (inode) => this.#bridge.invalidator.prune(inode, lruLimit) };
  }

  /** Requests that were negotiated may be this large, bytes; undefined before INIT. */
  get ioSize(): number | undefined {
    return this.#bridge.negotiated?.ioSize;
  }

  /**
   * Serves from this graph: at the first call what has waited, later a graph switch with all open files. Waits until the
   * graph has settled. Resolves when the graph before it serves nothing any more and may be sent PARENT_DOWN.
   */
  setGraph(graph: MountGraph): Promise<void> {
    const turn = this.#switching.then(async () => {
      await graph.whenSettled?.();
      if (this.#ended) return;
      graph.onTopEvent?.((event) => {
        if (event === GfEvent.AUTH_FAILED) void this.#leave({ reason: 'auth-failed', detail: 'the volume refused the client' });
      });
      graph.onInvalidate?.((inode) => void this.#bridge.invalidator.inode(inode));
      await switchGraph(this.#bridge, new ActiveGraph(graph, this.#bridge.active === undefined));
    });
    this.#switching = turn.catch(() => undefined);
    return turn;
  }

  /** The data of a file have changed behind the kernel's back (md-cache, upcall). */
  invalidateInode(inode: Inode): void {
    this.#bridge.invalidator.inode(inode);
  }

  /** Takes the mount point away and ends. Files that are still open give ENOTCONN from now on. */
  async unmount(): Promise<void> {
    await this.#leave({ reason: 'unmounted', detail: `unmounting ${this.options.mountpoint}` });
  }

  /** As it is shown beside the graph's xlators. */
  get root(): GraphRootView {
    return { name: 'fuse', type: 'mount/fuse', shownOptions: this.#shownOptions(), dump: (writer) => this.dump(writer) };
  }

  /** Those that the command line of GlusterFS 10.3 always sets (vectors/client/meta-tree-default.txt). */
  #shownOptions(): Map<string, string> {
    const { options } = this;
    return new Map([
      ['mountpoint', options.mountpoint],
      ['negative-timeout', options['negative-timeout'].toFixed(6)],
      ['invalidate-limit', String(options['invalidate-limit'])],
      ['no-root-squash', options['no-root-squash'] ? 'enable' : 'disable'],
      ['sync-to-mount', 'enable'],
      ['auto-invalidation', options['auto-invalidation'] ? '1' : '0'],
    ]);
  }

  /** Its section of a statedump. */
  dump(writer: StatedumpWriter): void {
    this.#bridge.dump(writer, this.#fd);
  }

  async #leave(end: MountEnd): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#log.info(0, end.detail);
    // Requests are served until it is done: the kernel writes back through us.
    const result = await unmountFuse(this.options.mountpoint);
    if (result === -Errno.EPERM) {
      this.#device.close();
      unmountThroughFusermount(this.options.mountpoint);
    } else if (result < 0 && result !== -Errno.EINVAL) this.#log.warning(0, `umount of ${this.options.mountpoint} failed: errno ${-result}`);
    this.#finish(end);
  }

  #onDeviceError(errno: Errno): void {
    if (errno === Errno.EPERM) {
      this.#platform.timers.after(EPERM_DELAY_MS, () => this.#device.resume());
      return;
    }
    if (errno === Errno.ENOMEM) {
      this.#platform.timers.after(EPERM_DELAY_MS, () => this.#device.resume());
      this.#log.error(0, 'no memory for a FUSE request');
      return;
    }
    if (this.#ended) return;
    if (errno === Errno.ENODEV) {
      this.#ended = true;
      this.#log.info(0, `initiating unmount of ${this.options.mountpoint}`);
      this.#finish({ reason: 'unmounted', detail: 'unmounted by somebody else' });
      return;
    }
    this.#break(`reading /dev/fuse failed: errno ${errno}`);
  }

  #break(detail: string): void {
    this.#log.error(0, `the mount ends: ${detail}`);
    void this.#leave({ reason: 'broken', detail });
  }

  #finish(end: MountEnd): void {
    this.#unwatch?.();
    this.#device.close();
    this.#bridge.clear();
    this.#resolveDone(end);
  }
}
