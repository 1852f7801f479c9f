import {
  ClientPid, Errno, FopError, Frame, type FuseDevice, IoVec, type Logger, type Platform, type StatedumpWriter, errnoOf,
} from '@glusterts/libglusterfs';
import type { ActiveGraph } from './active-graph.js';
import { type FuseBody, type FuseHeader, FuseProtocolError, decodeRequest } from './decode.js';
import { dispatch } from './dispatch.js';
import { type Validity, outHeader, validity } from './encode.js';
import { FdTable } from './fd-table.js';
import { GroupCache } from './groups.js';
import { type Negotiated, negotiate } from './init.js';
import { Interrupts } from './interrupt.js';
import { Invalidator } from './invalidate.js';
import { NodeTable } from './node-table.js';
import { type ListAhead, mayChange } from './list-ahead.js';
import { release } from './ops-dir.js';
import type { FuseOptions } from './options.js';
import { FUSE_MAJOR } from './protocol.js';
import { refusedXattr } from './ops-xattr.js';
import { type ReplyBody, Request } from './request.js';

/** Requests that wait for the first graph, or for a switch to end, at most; more get EAGAIN. */
const WAITING_MAX = 65536;
/** writev's limit is 1024 pieces; one is the header. */
const CHUNKS_MAX = 1000;

/** The fop's name, where the kernel's is another. */
function fopOf(op: FuseBody['op']): string {
  switch (op) {
    case 'getattr': return 'stat';
    case 'readdirplus': return 'readdirp';
    case 'setlk':
    case 'setlkw':
    case 'getlk':
      return 'lk';
    case 'lseek': return 'seek';
    case 'listxattr': return 'getxattr';
    default: return op;
  }
}

/** The kernel's requests, served in the active graph: mount/fuse without the mounting (spec/client.md, §6). */
export class FuseBridge {
  readonly platform: Platform;
  readonly options: FuseOptions;
  readonly log: Logger;
  readonly nodes = new NodeTable();
  readonly files = new FdTable();
  readonly interrupts: Interrupts;
  readonly invalidator: Invalidator;
  readonly attrValid: Validity;
  readonly entryValid: Validity;
  /** Counts what may have changed a file or a directory: requests, when they come and again when they are answered, and what is heard of others. */
  changes = 0;
  /** Directories that are read ahead, the oldest first. */
  readonly listings = new Set<ListAhead>();
  /** SETATTRs that have set a mode, so far. */
  modeChanges = 0;
  /** What INIT agreed on; undefined before it. */
  negotiated: Negotiated | undefined;
  /** The kernel's minor version of the protocol. */
  #kernelMinor = 0;
  readonly #groups: GroupCache;
  readonly #onFatal: (reason: string) => void;
  #device: FuseDevice | undefined;
  #active: ActiveGraph | undefined;
  #waiting: { header: FuseHeader; body: FuseBody }[] | undefined = [];

  /** @param onFatal the protocol is broken: the mount must end */
  constructor(platform: Platform, options: FuseOptions, log: Logger, onFatal: (reason: string) => void) {
    this.platform = platform;
    this.options = options;
    this.log = log;
    this.#onFatal = onFatal;
    this.#groups = new GroupCache(platform, options['gid-timeout']);
    this.interrupts = new Interrupts(this);
    this.invalidator = new Invalidator(this, (messages) => this.#device?.notify(messages) ?? Promise.resolve(messages.map(() => -Errno.ENODEV)));
    this.attrValid = validity(options['attribute-timeout']);
    this.entryValid = validity(options['entry-timeout']);
  }

  attach(device: FuseDevice): void {
    this.#device = device;
  }

  get active(): ActiveGraph | undefined {
    return this.#active;
  }

  /** New requests wait until {@link activate}. */
  hold(): void {
    this.#waiting ??= [];
  }

  /** Requests go to this graph from now on. */
  activate(graph: ActiveGraph): void {
    this.#active = graph;
    this.nodes.serve(graph.table);
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const { header, body } of waiting) this.#start(header, body);
  }

  /** One message of the device. Takes the payload over. */
  receive(message: Uint8Array, payload: IoVec | undefined): void {
    let header: FuseHeader;
    let body: FuseBody;
    try {
      ({ header, body } = decodeRequest(message, payload));
    } catch (error) {
      payload?.unref();
      if (!(error instanceof FuseProtocolError)) throw error;
      this.log.error(0, `a FUSE request could not be read: ${error.message}`);
      if (error.unique === undefined) this.#onFatal(error.message);
      else this.fail(error.unique, error.errno);
      return;
    }
    switch (body.op) {
      case 'forget':
        for (const { nodeid, nlookup } of body.forgets) this.nodes.forget(nodeid, nlookup);
        return;
      case 'init':
        return this.#init(header, body);
      case 'interrupt':
        return this.interrupts.interrupt(header.unique, body.target);
      case 'destroy':
        this.#write(header.unique, 0, undefined);
        return;
      case 'unsupported':
        return this.fail(header.unique, Errno.ENOSYS);
      default:
        this.#start(header, body);
    }
  }

  /** Answers with an error. */
  fail(unique: number, errno: Errno): void {
    this.#write(unique, -errno, undefined);
  }

  /** Options of the open reply that keep or bypass the page cache (spec/client.md, §6.3). */
  get keepCache(): boolean {
    return this.negotiated?.keepCache ?? false;
  }

  /** A frame for a fop of the mount itself. */
  ownFrame(): Frame {
    return new Frame({ pid: this.#pid(0) });
  }

  /** Everything that the kernel or the graph held is let go: the file system was unmounted. */
  clear(): void {
    for (const { header, body } of this.#waiting ?? []) {
      if (body.op === 'write' && body.data instanceof IoVec) body.data.unref();
      this.fail(header.unique, Errno.ENOTCONN);
    }
    this.#waiting = [];
    this.files.clear();
    this.nodes.clear();
  }

  /** The section of statedumps (spec/client.md, §6.16). */
  dump(writer: StatedumpWriter, fd: number): void {
    const { options, negotiated } = this;
    writer.section('xlator.mount.fuse.priv');
    writer.write('fd', fd);
    writer.write('proto_minor', this.#kernelMinor);
    writer.write('volfile', 'None');
    writer.write('volfile_size', 0);
    writer.write('mount_point', options.mountpoint);
    writer.write('fuse_thread_started', 1);
    writer.write('direct_io_mode', options['direct-io-mode'] === 'enable' ? 1 : 0);
    writer.write('entry_timeout', options['entry-timeout'].toFixed(6));
    writer.write('attribute_timeout', options['attribute-timeout'].toFixed(6));
    writer.write('init_recvd', negotiated ? 1 : 0);
    writer.write('strict_volfile_check', 0);
    writer.write('timed_response_thread_started', 1);
    writer.write('reverse_thread_started', 1);
    writer.write('invalidate_limit', options['invalidate-limit']);
    writer.write('invalidate_queue_length', this.invalidator.queued);
    writer.write('use_readdirp', options['use-readdirp'] ? 1 : 0);
  }

  #init(header: FuseHeader, body: Extract<FuseBody, { op: 'init' }>): void {
    if (this.negotiated || body.major !== FUSE_MAJOR) {
      this.#onFatal(this.negotiated ? 'a second INIT' : `FUSE major ${body.major} is not spoken here`);
      return;
    }
    this.#kernelMinor = body.minor;
    this.negotiated = negotiate(this.options, body);
    this.log.info(0, `FUSE inited with protocol versions: glusterfs 7.${this.negotiated.minor} kernel ${body.major}.${body.minor}`);
    this.#write(header.unique, 0, this.negotiated.reply);
  }

  #start(header: FuseHeader, body: FuseBody): void {
    if (this.#waiting || !this.#active) {
      if ((this.#waiting ??= []).length >= WAITING_MAX) this.fail(header.unique, Errno.EAGAIN);
      else this.#waiting.push({ header, body });
      return;
    }
    // These two need nobody else: a third of the requests of a created file, answered where they stand.
    if (body.op === 'release' || body.op === 'releasedir') {
      if (body.op === 'release') this.changes++;
      release(this, body.fh);
      this.#write(header.unique, 0, undefined);
      return;
    }
    if (body.op === 'getxattr') {
      const refused = refusedXattr(this.options, body.name);
      if (refused !== undefined) return this.fail(header.unique, refused);
    }
    void this.#serve(new Request(header, this.#active, this.#frame(header), fopOf(body.op)), body);
  }

  async #serve(request: Request, body: FuseBody): Promise<void> {
    const { unique } = request.header;
    const changes = mayChange(body);
    if (changes) this.changes++;
    try {
      const reply = await dispatch(this, request, body);
      if (changes) this.changes++;
      const result = this.#write(unique, 0, reply);
      // ENOENT: the caller was killed meanwhile, and the kernel does not know what it would have been told.
      if (result < 0) {
        request.undo?.();
        if (result !== -Errno.ENOENT && result !== -Errno.ENODEV) this.log.warning(0, `writing to fuse device failed: errno ${-result}`);
      }
    } catch (error) {
      if (!(error instanceof FopError)) this.log.error(0, `${body.op} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      if (changes) this.changes++;
      request.undo?.();
      this.fail(unique, errnoOf(error) || Errno.EIO);
    } finally {
      if (body.op === 'write' && body.data instanceof IoVec) body.data.unref();
      request.end();
    }
  }

  #frame(header: FuseHeader): Frame {
    const frame = new Frame();
    frame.uid = header.uid;
    frame.gid = header.gid;
    frame.pid = this.#pid(header.pid);
    frame.groups = this.#groups.groupsOf(header.pid, header.uid, header.gid);
    return frame;
  }

  #pid(pid: number): number {
    return this.options['client-pid'] ?? (this.options['no-root-squash'] ? ClientPid.NO_ROOT_SQUASH : pid);
  }

  #write(unique: number, error: number, body: ReplyBody): number {
    const device = this.#device;
    if (!device) return -Errno.ENODEV;
    if (body === undefined) return device.write([outHeader(unique, error, 0)]);
    if (!(body instanceof IoVec)) return device.write([outHeader(unique, error, body.length), body]);
    const pieces = body.chunks.length <= CHUNKS_MAX ? body.chunks : [body.toUint8Array()];
    const result = device.write([outHeader(unique, error, body.size), ...pieces]);
    body.unref();
    return result;
  }
}
