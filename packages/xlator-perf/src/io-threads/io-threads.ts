import {
  type Bytes, type Client, Dict, Errno, FopError, type Fd, type FopName, type Frame, type LocalFile, type OptionValues, type StatedumpWriter, type StorageJobs, Xlator, type XlatorContext,
} from '@glusterts/libglusterfs';
import { requireOneChild } from '../one-child.js';
import { Priority, QUEUED_FOPS, isInternal } from './priorities.js';
import { RequestQueue } from './request-queue.js';

/** Requests that may wait; what comes then is answered with EAGAIN. Many times what all clients of a brick have out at once. */
const QUEUE_MAX = 16384;
const NAMES = ['high', 'normal', 'low', 'least'] as const;
/** GlusterFS's names for the queues, in the order in which it sets them. */
const QUEUE_KEYS = [['HIGH', 0], ['NORMAL', 1], ['LOW', 2], ['LEAST', 3]] as const;
const STACK_SIZE = 262144;

/** At most so many arguments after the frame: copy_file_range has them. */
type Wind = (frame: Frame, a: unknown, b: unknown, c: unknown, d: unknown, e: unknown, f: unknown, g: unknown) => Promise<unknown>;

/**
 * performance/io-threads (spec/client.md, §9.9), for one JavaScript thread with a pool of threads for the disk: it bounds what is in the
 * pool, and decides who is next. A request takes a place when it has put a job into the pool, and keeps it until it is answered; what
 * the page cache answers takes none, and costs a comparison.
 *
 * On a client nothing waits for a disk: there it has no fops, and parents are bound past it.
 */
export class IoThreads extends Xlator {
  readonly #jobs: StorageJobs | undefined;
  readonly #queues = NAMES.map(() => new RequestQueue());
  readonly #running = NAMES.map(() => 0);
  #limits: readonly number[] = [];
  #threads = 16;
  #least = true;
  #waiting = 0;
  #draining = false;

  constructor(context: XlatorContext) {
    super(context);
    this.#take(this.options);
    const { storage } = this.graph.platform;
    if (!storage.available || !isOnBrick(this)) return;
    this.#jobs = storage.jobs;
    storage.jobs.onDone(() => this.#drain());
    if (!this.options.bool('pass-through')) this.#define(true);
  }

  override init(): void {
    requireOneChild(this);
  }

  /** Who reads by himself does so with threads of his own, and takes no place here. */
  override localFile(fd: Fd): LocalFile | undefined {
    return this.children[0]?.xlator.localFile(fd);
  }

  override reconfigure(values: OptionValues): void {
    const was = this.options.bool('pass-through');
    this.#take(values);
    const is = values.bool('pass-through');
    if (this.#jobs && was !== is) {
      this.#define(!is);
      this.graph.rebind();
    }
    this.#drain();
  }

  #take(values: OptionValues): void {
    this.options = values;
    this.#threads = values.number('thread-count');
    this.#limits = NAMES.map((name) => values.number(`${name}-prio-threads`));
    this.#least = values.bool('enable-least-priority');
  }

  #define(on: boolean): void {
    for (const [fop, priority] of QUEUED_FOPS) {
      if (on) Object.defineProperty(this, fop, { value: this.#scheduled(fop, priority), configurable: true });
      else Reflect.deleteProperty(this, fop);
    }
  }

  /** The fop: straight down while there is room and nobody waits. */
  #scheduled(fop: FopName, own: Priority): Wind {
    const { child } = this;
    return (frame, a, b, c, d, e, f, g) => {
      const priority = this.#least && isInternal(frame) ? Priority.LEAST : own;
      const jobs = this.#jobs;
      if (!jobs || this.#waiting > 0 || !this.#hasRoom(jobs, priority)) return this.#enqueue(priority, frame.client, () => (child[fop] as Wind)(frame, a, b, c, d, e, f, g));
      const before = jobs.inFlight;
      const reply = (child[fop] as Wind)(frame, a, b, c, d, e, f, g);
      if (jobs.inFlight > before) this.#occupy(priority, reply);
      return reply;
    };
  }

  #hasRoom(jobs: StorageJobs, priority: Priority): boolean {
    return jobs.inFlight < this.#threads && this.#count(priority) < (this.#limits[priority] ?? 1);
  }

  #count(priority: Priority): number {
    return this.#running[priority] ?? 0;
  }

  /** Winds; a place is taken only if something is in the pool now that wasn't. */
  #run(priority: Priority, wind: () => Promise<unknown>): Promise<unknown> {
    const before = this.#jobs?.inFlight ?? 0;
    const reply = wind();
    if ((this.#jobs?.inFlight ?? 0) > before) this.#occupy(priority, reply);
    return reply;
  }

  #occupy(priority: Priority, reply: Promise<unknown>): void {
    this.#running[priority] = this.#count(priority) + 1;
    const leave = (): void => {
      this.#running[priority] = this.#count(priority) - 1;
      if (this.#waiting > 0) this.#drain();
    };
    reply.then(leave, leave);
  }

  #enqueue(priority: Priority, client: Client | undefined, wind: () => Promise<unknown>): Promise<unknown> {
    if (this.#waiting >= QUEUE_MAX) return Promise.reject(new FopError(Errno.EAGAIN, undefined, `${QUEUE_MAX} requests wait for the disk already`));
    return new Promise<unknown>((resolve, reject) => {
      this.#waiting++;
      this.#queues[priority]?.push({
        client,
        run: () => resolve(this.#run(priority, wind)),
        refuse: () => reject(new FopError(Errno.ENOTCONN)),
      });
      // Those who wait may be of another class, which is at its limit.
      this.#drain();
    });
  }

  /** The most urgent class that is under its limit goes first. */
  #drain(): void {
    const jobs = this.#jobs;
    // A fop that is answered on the spot may come back here.
    if (!jobs || this.#draining) return;
    this.#draining = true;
    try {
      for (let next = this.#next(jobs); next; next = this.#next(jobs)) next.run();
    } finally {
      this.#draining = false;
    }
  }

  #next(jobs: StorageJobs): ReturnType<RequestQueue['shift']> {
    if (this.#waiting === 0) return undefined;
    for (const [priority, queue] of this.#queues.entries()) {
      if (queue.length === 0 || !this.#hasRoom(jobs, priority as Priority)) continue;
      this.#waiting--;
      return queue.shift();
    }
    return undefined;
  }

  override client_disconnect(client: Client): void {
    if (!this.options.bool('cleanup-disconnected-reqs')) return;
    for (const queue of this.#queues) {
      for (const request of queue.take(client)) {
        this.#waiting--;
        request.refuse();
      }
    }
  }

  /** How many requests wait, for io-stats' dumps. */
  override translatorInfo(input: Dict): Dict | undefined {
    if (!input.has('io-thread-queue-size' as Bytes)) return undefined;
    const answer = new Dict();
    for (const [name, priority] of QUEUE_KEYS) answer.setInt(name, this.#queues[priority]?.length ?? 0);
    return answer;
  }

  override dump(writer: StatedumpWriter): void {
    const running = this.#running.reduce((sum, count) => sum + count, 0);
    const threads = Math.max(1, Math.min(running + this.#waiting, this.#threads));
    writer.section(`${this.type}.${this.name}`);
    writer.write('maximum_threads_count', this.#threads);
    writer.write('current_threads_count', threads);
    writer.write('sleep_count', Math.max(0, threads - running));
    writer.write('idle_time', this.options.number('idle-time'));
    writer.write('stack_size', STACK_SIZE);
    for (const [i, name] of NAMES.entries()) writer.write(`max_${name}_priority_threads`, this.#limits[i] ?? 0);
    for (const [i, name] of NAMES.entries()) writer.write(`current_${name}_priority_threads`, this.#running[i] ?? 0);
  }
}

/** Whether what is below keeps files itself. */
function isOnBrick(xlator: Xlator): boolean {
  if (xlator.children.length === 0) return xlator.type.startsWith('storage/');
  return xlator.children.every((child) => isOnBrick(child.xlator));
}
