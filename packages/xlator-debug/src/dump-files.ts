import { type Bytes, Errno, type GraphView, type Logger, OpenFlag, utf8 } from '@glusterts/libglusterfs';

/** Where dumps on demand go, and nowhere else: whoever may set xattrs could otherwise write anywhere. */
const RUN_DIRECTORY = '/var/run/gluster';
const STATS_DIRECTORY = '/var/lib/glusterd/stats';
const STATS_MODE = 0o707;
const FILE_MODE = 0o666;
const BRICK_PROGRAM = 'glusterfsd';

export type DumpFormat = 'text' | 'json';

/** The files that io-stats writes its counters to (spec/client.md, §12.4, §12.5). */
export class DumpFiles {
  readonly #graph: GraphView;
  readonly #log: Logger;
  /** The option unique-id, which is the brick's path on bricks; else the xlator's name. */
  readonly #id: string;
  #complained = false;

  constructor(graph: GraphView, log: Logger, id: string) {
    this.#graph = graph;
    this.#log = log;
    this.#id = id;
  }

  /** `gluster.v`, `gluster.brick._d_b1` */
  get keyPrefix(): string {
    return `${this.#program === BRICK_PROGRAM ? 'gluster.brick' : 'gluster'}.${this.#idWord}`;
  }

  get #program(): string {
    return this.#graph.cmdArgs.get('program') ?? 'glusterfs';
  }

  get #idWord(): string {
    return this.#id.replaceAll('/', '_');
  }

  /** `setfattr -n trusted.io-stats-dump -v NAME`: /var/run/gluster/NAME.<id>. @param make called only if it is to be written */
  onDemand(name: Bytes, make: () => string): void {
    if (this.#program === BRICK_PROGRAM) {
      this.#log.debug(0, "taking io-stats dump using setxattr not permitted on brick. Use 'gluster profile' instead");
      return;
    }
    if (name.includes('../')) {
      this.#log.error(0, `${name}: no "../" allowed in path`);
      return;
    }
    // C's string ends at a NUL.
    const [words = ''] = name.replace(/^\//, '').split('\0');
    const file = `${RUN_DIRECTORY}/${`${words}.${utf8(this.#id)}`.replaceAll('/', '-')}`;
    const errno = this.#write(file, make());
    if (errno !== 0) this.#log.error(0, `failed to open ${file} for writing`);
  }

  /** diagnostics.stats-dump-interval: /var/lib/glusterd/stats/<program>_<id>.dump, written anew each time. */
  interval(make: () => string): void {
    this.#graph.platform.storage.mkdir(STATS_DIRECTORY as Bytes, STATS_MODE);
    const file = `${STATS_DIRECTORY}/${this.#program}_${utf8(this.#idWord)}.dump`;
    const errno = this.#write(file, make());
    if (errno !== 0 && !this.#complained) this.#log.error(0, `could not open stats-dump file ${file} (errno ${errno})`);
    this.#complained = errno !== 0;
  }

  /** Returns an errno, or 0. */
  #write(file: string, text: string): number {
    const { storage } = this.#graph.platform;
    if (!storage.available) return Errno.EOPNOTSUPP;
    const fd = storage.open(file as Bytes, OpenFlag.RDWR | OpenFlag.CREAT | OpenFlag.TRUNC, FILE_MODE);
    if (fd < 0) return -fd;
    const written = storage.pwritev(fd, [Buffer.from(text, 'latin1')], 0);
    storage.close(fd);
    return written < 0 ? -written : 0;
  }
}
