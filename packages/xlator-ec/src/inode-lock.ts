import { type Bytes, Dict, Errno, type Fd, FopError, type Frame, type Gfid, IaType, type Inode, InodelkCmd, type Flock, type Loc, LkType, type PlainReply, XattropOp, type XattropReply } from '@glusterts/libglusterfs';
import { type Answer, decide, groupAnswers, sameDict } from './answers.js';
import type { Cluster } from './cluster.js';
import { bricksOf, countOf } from './geometry.js';
import { KnownNames } from './known-names.js';
import type { QuietState } from './quiet-state.js';
import { StripeCache } from './stripe-cache.js';
import { ALONG, ALONG_ADD, ALONG_DOMAIN, ALONG_OWNER, CONFIG, DIRTY, GENERATION, GET_SIZE, HEALING_BIT, INODELK_COUNT, SIZE, VERSION, readPair, readU64, u64s, withLockCount } from './version-xattrs.js';

/** What a fop needs of the lock (spec/ec.md, §14). */
export interface Wanted {
  /** Changes data or entries. */
  readonly data: boolean;
  /** Changes metadata. */
  readonly metadata: boolean;
  /** Needs version, size and config. */
  readonly query: boolean;
  /** Only reads: it goes along with other readers. */
  readonly read: boolean;
  /** A data fop: never goes without its dirty mark. */
  readonly writes: boolean;
  /** Bytes of the file that it touches; `end` is exclusive. */
  readonly start: number;
  readonly end: number;
  readonly fd: Fd | undefined;
}

/** How often the number of those who want the lock is asked of bricks that tell by themselves, and by READs under the lock. */
const COUNT_EVERY_MS = 100;
const FLOCK: Flock = { type: LkType.WRLCK, whence: 0, start: 0n, len: 0n, pid: 0, owner: '' as Bytes };
const UNLOCK: Flock = { ...FLOCK, type: LkType.UNLCK };

interface Waiter {
  readonly wanted: Wanted;
  readonly admit: () => void;
}

/**
 * The one internal lock of an inode: shared by the fops of this client, taken from the bricks once, kept for a while after the
 * last fop (eager locking), with the versions and the size that are known while it is held (spec/ec.md, §11 to §13).
 */
export class InodeLock {
  readonly #cluster: Cluster;
  readonly #inode: Inode;
  readonly owner: Bytes;
  readonly #owners = new Set<Wanted>();
  #waiting: Waiter[] = [];
  #isHeld = false;
  #acquiring: Promise<void> | undefined;
  /** The lock of a file that is being made. */
  #early: Promise<void> | undefined;
  /** Known before the inode has it. */
  #gfid: Gfid | undefined;
  #releasing: Promise<void> | undefined;
  #asking: Promise<void> | undefined;
  #releaseWanted = false;
  #mask = 0;
  #good = 0;
  #healing = 0;
  #fd: Fd | undefined;
  #haveInfo = false;
  #pre: [bigint, bigint] | undefined;
  #delta: [bigint, bigint] = [0n, 0n];
  #dirty: [boolean, boolean] = [false, false];
  /** Halves of which an update in this cycle left the bricks in doubt. */
  #doubt: [boolean, boolean] = [false, false];
  #preSize = 0;
  #frame: Frame | undefined;
  #countAsked = -Infinity;
  readonly stripes: StripeCache;
  #names: KnownNames | undefined;
  /** The user's size, while it is known. */
  size = 0;
  /** The layers above have had locks on the file: closing it must reach the bricks. */
  userLocks = false;
  /** Post-ops that failed: what was acknowledged may not be all there (spec/ec.md, §13, 6). */
  badVersion = 0;

  constructor(cluster: Cluster, inode: Inode, owner: Bytes) {
    this.#cluster = cluster;
    this.#inode = inode;
    this.stripes = new StripeCache(cluster.stripeStats);
    this.owner = owner;
  }

  get good(): number {
    return this.#good;
  }

  get healing(): number {
    return this.#healing;
  }

  /** Held on all bricks, which are all good, and nobody else wants it. */
  get undisturbed(): boolean {
    const { all } = this.#cluster.geometry;
    return this.#isHeld && !this.#releaseWanted && !this.#releasing && this.#mask === all && this.#good === all && this.#healing === 0 && this.#cluster.up === all;
  }

  /** Some fop of ours is under way under it. */
  get inUse(): boolean {
    return this.#owners.size > 0;
  }

  /** Of a directory. */
  get names(): KnownNames {
    return (this.#names ??= new KnownNames(this.#cluster, this.#inode, this));
  }

  /** A name in this directory may come to be now. */
  addName(name: Bytes): void {
    this.#names?.add(name);
  }

  /** Version and size are known now. */
  get informed(): boolean {
    return this.#isHeld && this.#haveInfo;
  }

  /**
   * Asks, now and then, how many want the lock (spec/ec.md, §11.5), for bricks that don't tell by themselves: READs under the lock ask nothing, since what
   * is asked has to go to the bricks. Who is refused waits at the first brick first.
   */
  watchContention(frame: Frame): void {
    const cluster = this.#cluster;
    const now = cluster.graph.platform.clock.monotonic();
    const [first] = bricksOf(this.#mask & cluster.up);
    if (now - this.#countAsked < COUNT_EVERY_MS || first === undefined) return;
    this.#countAsked = now;
    cluster.child(first).lookup(cluster.internal(frame), cluster.locOf(this.#inode), withLockCount(undefined, cluster.name)).then(
      ({ xdata }) => {
        if ((xdata?.getNumber(INODELK_COUNT) ?? 0) <= 1) return;
        cluster.runs.contended(this.#inode);
        this.contended();
      },
      () => undefined,
    );
  }

  /**
   * Whether a fop is to ask how many want the lock (spec/ec.md, §7). Bricks of our own tell by themselves who comes (§11.5), unless that is switched off: there it
   * is enough to ask now and then.
   */
  askCount(): boolean {
    const cluster = this.#cluster;
    const now = cluster.graph.platform.clock.monotonic();
    if (cluster.allVouch && now - this.#countAsked < COUNT_EVERY_MS) return false;
    this.#countAsked = now;
    return true;
  }

  /** Held, or about to be: something may be pending. */
  get busy(): boolean {
    return this.#isHeld || this.#early !== undefined || this.#acquiring !== undefined || this.#releasing !== undefined || this.#owners.size > 0;
  }

  /** Nothing of it is of use to the next fop, which will make another: most of a million files are not in use. */
  get #isNeedless(): boolean {
    return !this.busy && this.#waiting.length === 0 && !this.userLocks && this.badVersion === 0 && this.#names === undefined;
  }

  /** Becomes an owner: waits its turn, takes the lock if need be, and does the pre-op. Call `leave` exactly once after it resolves. */
  async enter(wanted: Wanted, frame: Frame): Promise<void> {
    if (this.#mustWait(wanted)) await new Promise<void>((admit) => this.#waiting.push({ wanted, admit }));
    else this.#owners.add(wanted);
    this.#cluster.idle.remove(this);
    try {
      await this.#hold(frame);
      this.#frame = frame;
      if (wanted.fd && !this.#fd && !wanted.fd.anonymous) this.#fd = wanted.fd.ref();
      await this.#preOp(wanted, frame);
    } catch (error) {
      this.#releaseWanted = this.#isHeld;
      this.#depart(wanted);
      throw error;
    }
  }

  /**
   * The fop is done. `asked` and `answered` are the bricks it went to and those that did it; `succeeded`: whether its
   * changes count; `valid`: whether the bricks agreed on an answer at all; `doubtful`: whether they may differ now, so that the
   * marks must stay for a heal.
   */
  leave(wanted: Wanted, outcome: { readonly asked: number; readonly answered: number; readonly succeeded: boolean; readonly valid: boolean; readonly xdata: Dict | undefined; readonly doubtful: boolean }): void {
    const failed = outcome.asked & ~outcome.answered & ~this.#healing;
    const updates = wanted.data || wanted.metadata;
    if (outcome.succeeded) {
      if (wanted.data) this.#delta[0] += 1n;
      if (wanted.metadata) this.#delta[1] += 1n;
      if (updates) this.#good &= ~failed;
      if (outcome.answered === this.#cluster.geometry.all) this.#names?.proven();
    } else if (updates && !outcome.valid) this.#releaseWanted = true;
    if (updates && outcome.doubtful) {
      if (wanted.data) this.#doubt[0] = true;
      if (wanted.metadata) this.#doubt[1] = true;
      this.#releaseWanted = true;
    }
    if (failed !== 0) this.#releaseWanted = true;
    // Perhaps of who may look into the directory.
    if (wanted.metadata && !wanted.data) this.#names?.forget();
    if ((outcome.xdata?.getNumber(INODELK_COUNT) ?? 0) > 1) {
      this.#releaseWanted = true;
      this.#cluster.runs.contended(this.#inode);
    }
    // An up brick that isn't good needs a heal, and gets another chance with the next lock.
    if ((this.#cluster.up & ~this.#good & ~this.#healing) !== 0 && this.#haveInfo) this.#releaseWanted = true;
    this.#depart(wanted);
  }

  /** Somebody else waits for it (spec/ec.md, §11.5). */
  contended(): void {
    this.#releaseWanted = true;
    if (this.#isHeld && this.#owners.size === 0) this.#startRelease();
  }

  /** A brick went down: it has forgotten the lock, and misses what comes now. */
  brickLost(brick: number): void {
    const bit = 1 << brick;
    if ((this.#mask & bit) === 0) return;
    this.#mask &= ~bit;
    this.#good &= ~bit;
    this.contended();
  }

  /** Gives the lock back, post-op and all, once its owners are done. */
  async drain(): Promise<void> {
    while (this.#isHeld || this.#early || this.#acquiring || this.#releasing) {
      this.contended();
      await (this.#releasing ?? this.#early ?? this.#acquiring ?? new Promise<void>((resolve) => this.#cluster.graph.platform.timers.soon(resolve)));
    }
  }

  /**
   * Versions and size of what has been done so far, before a flush or fsync; the lock stays (spec/ec.md, §13). `closing`: nothing
   * more is expected, so that the dirty mark goes with it, and the release has nothing left to write.
   */
  async publish(frame: Frame, closing: boolean): Promise<void> {
    const [data, metadata] = this.#delta;
    const size = this.size;
    const dict = new Dict();
    const sizeDelta = BigInt(size - this.#preSize);
    const marks = this.#dirty;
    const clears = closing && this.#owners.size === 1 && (marks[0] || marks[1]) && this.#allGood();
    if (data === 0n && metadata === 0n && !clears) return;
    if (data !== 0n || metadata !== 0n) dict.setBin(VERSION, u64s(data, metadata));
    if (this.#haveInfo && sizeDelta !== 0n) dict.setBin(SIZE, u64s(sizeDelta));
    if (clears) {
      dict.setBin(DIRTY, u64s(marks[0] ? -1n : 0n, marks[1] ? -1n : 0n));
      this.#dirty = [false, false];
    }
    // Taken off before the call, so that what is added meanwhile counts for the next one.
    this.#delta = [this.#delta[0] - data, this.#delta[1] - metadata];
    this.#preSize = size;
    if (this.#pre) this.#pre = [this.#pre[0] + data, this.#pre[1] + metadata];
    const done = await this.#sendPostOp(dict, this.#good | this.#healing, frame);
    if (clears && done !== this.#cluster.geometry.all) await this.#markAgain(marks, done, frame);
  }

  /** Nothing else is going on, and every brick is there and good and can do so. */
  get mayPublishWith(): boolean {
    return this.#fd !== undefined && this.#owners.size === 1 && this.#haveInfo && this.#dirty[0] && this.#dirty[1] && this.#allGood() && this.#cluster.allCombine;
  }

  /**
   * As `publish` for a close, for a write that is about to be sent with that request and makes the file `size` bytes long: a part of it, done by each brick that
   * has done the write (`mayPublishWith`). Answers a function that the write calls with what bricks told of it, and the bricks that agreed on the write, 0 when too few
   * did; what others have counted is taken back then.
   */
  publishWith(frame: Frame, request: Dict, size: number): (told: readonly Answer<PlainReply>[], agreed: number) => Promise<void> {
    const data = this.#delta[0] + 1n;
    const metadata = this.#delta[1] + 1n;
    const sizeBefore = this.#preSize;
    const sizeDelta = BigInt(size - sizeBefore);
    request.setUint(ALONG, 1).setBin(`${ALONG_ADD}${VERSION}`, u64s(data, metadata)).setBin(`${ALONG_ADD}${DIRTY}`, u64s(-1n, -1n));
    if (sizeDelta !== 0n) request.setBin(`${ALONG_ADD}${SIZE}`, u64s(sizeDelta));
    const count = (sign: 1n | -1n, to: number): void => {
      this.#delta = [this.#delta[0] - sign * data, this.#delta[1] - sign * metadata];
      if (this.#pre) this.#pre = [this.#pre[0] + sign * data, this.#pre[1] + sign * metadata];
      this.#preSize = to;
    };
    const before = this.#dirty;
    this.#dirty = [false, false];
    count(1n, size);
    return async (told, agreed) => {
      const { geometry, k, up } = this.#cluster;
      const done = maskOf(told, ({ error }) => error === undefined);
      if (done === geometry.all && agreed === done) return;
      this.#releaseWanted = true;
      this.#dirty = [...before];
      const wrong = done & ~agreed & up;
      if (wrong !== 0) {
        const back = new Dict().setBin(VERSION, u64s(-data, -metadata)).setBin(DIRTY, u64s(1n, 1n));
        if (sizeDelta !== 0n) back.setBin(SIZE, u64s(-sizeDelta));
        const undone = maskOf(await this.#xattrop(wrong, back, undefined, frame), ({ error }) => error === undefined);
        this.#good &= ~(wrong & ~undone);
      }
      if (agreed === 0) return count(-1n, sizeBefore);
      this.#good &= done;
      await this.#markAgain(before, done & agreed, frame);
      if (countOf(done & agreed) >= k) return;
      this.badVersion++;
      this.#cluster.log.error(122037, 'Failed to update version and size.', { gfid: Buffer.from(this.#inode.gfid, 'latin1').toString('hex') });
    };
  }

  /** A brick died over the call that took the marks away: those that are left say that it missed something. */
  async #markAgain(marks: readonly [boolean, boolean], done: number, frame: Frame): Promise<void> {
    this.#dirty = [...marks];
    const marked = await this.#xattrop(done & this.#cluster.up, new Dict().setBin(DIRTY, u64s(marks[0] ? 1n : 0n, marks[1] ? 1n : 0n)), undefined, frame);
    this.#good &= maskOf(marked, ({ error }) => error === undefined);
  }

  /** Every brick is up and has done everything in this cycle. */
  #allGood(): boolean {
    const { geometry, up } = this.#cluster;
    return !this.#doubt[0] && !this.#doubt[1] && this.#healing === 0 && this.#good === geometry.all && up === geometry.all;
  }

  #mustWait(wanted: Wanted): boolean {
    if (this.#releasing || (this.#isHeld && this.#releaseWanted)) return true;
    for (const owner of this.#owners) if (this.#conflicts(owner, wanted)) return true;
    return this.#waiting.some((waiter) => this.#conflicts(waiter.wanted, wanted));
  }

  #conflicts(a: Wanted, b: Wanted): boolean {
    if (a.read && b.read) return false;
    if (!this.#cluster.options.bool('parallel-writes')) return true;
    return a.start < b.end && b.start < a.end;
  }

  #depart(wanted: Wanted): void {
    this.#owners.delete(wanted);
    if (this.#owners.size > 0) {
      if (!this.#releaseWanted) this.#admit();
      return;
    }
    if (!this.#isHeld) {
      this.#admit();
      return;
    }
    const { options, shuttingDown } = this.#cluster;
    const regular = this.#inode.ia_type === IaType.REG;
    const eager = options.bool(regular ? 'eager-lock' : 'other-eager-lock');
    if (this.#releaseWanted || !eager || shuttingDown) {
      this.#startRelease();
      return;
    }
    this.#admit();
    if (this.#owners.size > 0) return;
    const timeoutS = options.number(regular ? 'eager-lock-timeout' : 'other-eager-lock-timeout');
    this.#cluster.idle.add(this, timeoutS * 1000);
  }

  /** Nobody wanted it for long enough. */
  expire(): void {
    if (this.#isHeld && this.#owners.size === 0 && !this.#releasing) this.#startRelease();
  }

  /** Lets in who waits, in order, as far as they get along. */
  #admit(): void {
    if (this.#releasing || (this.#isHeld && this.#releaseWanted)) return;
    const still: Waiter[] = [];
    for (const waiter of this.#waiting) {
      const blocked = [...this.#owners].some((owner) => this.#conflicts(owner, waiter.wanted)) || still.some((other) => this.#conflicts(other.wanted, waiter.wanted));
      if (blocked) still.push(waiter);
      else {
        this.#owners.add(waiter.wanted);
        waiter.admit();
      }
    }
    this.#waiting = still;
  }

  #hold(frame: Frame): Promise<void> {
    if (this.#isHeld) return Promise.resolve();
    if (this.#early) return this.#early.then(() => this.#hold(frame));
    this.#acquiring ??= this.#acquire(frame).finally(() => {
      this.#acquiring = undefined;
    });
    return this.#acquiring;
  }

  async #acquire(frame: Frame): Promise<void> {
    const cluster = this.#cluster;
    const lockFrame = this.#lockFrame(frame);
    const loc = this.#loc();
    const domain = cluster.name as Bytes;
    cluster.needUp();
    const known = cluster.quiet.get(this.#inode);
    const quiet = cluster.allVouch ? known : undefined;
    cluster.quiet.delete(this.#inode);
    this.#inode.ref();
    try {
      const question = quiet && new Dict().setUint(GENERATION, 0);
      let answers = await cluster.all(cluster.up, (child) => child.inodelk(lockFrame, domain, loc, InodelkCmd.SETLK, FLOCK, question));
      let granted = maskOf(answers, (answer) => answer.error === undefined);
      const again = maskOf(answers, (answer) => answer.error?.errno === Errno.EAGAIN);
      if (again !== 0 && countOf(granted | again) >= cluster.k) {
        await this.#unlock(granted, lockFrame);
        // Brick by brick in one order for all clients: nobody waits for somebody who waits for him.
        answers = [];
        for (const brick of bricksOf(cluster.up)) answers.push(...(await cluster.all(1 << brick, (child) => child.inodelk(lockFrame, domain, loc, InodelkCmd.SETLKW, FLOCK, undefined))));
        granted = maskOf(answers, (answer) => answer.error === undefined);
        // Who had it will want it again: given back after the fop, it can be had without asking for it twice.
        this.#releaseWanted = true;
      }
      if (countOf(granted) < cluster.k) {
        await this.#unlock(granted, lockFrame);
        throw lockError(answers, cluster.k);
      }
      this.#mask = granted;
      this.#good = granted;
      this.#healing = 0;
      this.#isHeld = true;
      // Granted at once, nobody else wanted it.
      this.#countAsked = cluster.graph.platform.clock.monotonic();
      cluster.held.add(this);
      const isRecalled = quiet !== undefined && again === 0 && this.#recall(quiet, answers);
      if (known?.marked === true && !isRecalled) await this.#adoptMark(frame);
    } catch (error) {
      this.#inode.unref();
      throw error;
    }
  }

  /** Puts the question for this lock into the CREATE of its file; false when something is going on with it. */
  askNewborn(request: Dict): boolean {
    if (this.busy) return false;
    request.setUint(ALONG, 1).setStr(ALONG_DOMAIN, this.#cluster.name).setBin(ALONG_OWNER, Buffer.from(this.owner, 'latin1'));
    return true;
  }

  /**
   * The lock is asked for by a CREATE that has just been sent (`askNewborn`): it is granted where the file has been made. To be told, once, how
   * that went. If it comes to anything but all bricks' locks on the new file, they are given back, and the next fop asks again.
   */
  takeNewborn(frame: Frame, gfid: Gfid, granting: Promise<readonly Answer<PlainReply>[]>): (state: QuietState | undefined) => void {
    let tell: (state: QuietState | undefined) => void = () => undefined;
    const made = new Promise<QuietState | undefined>((resolve) => (tell = resolve));
    this.#gfid = gfid;
    this.#early = this.#acquireNewborn(frame, granting, made).finally(() => {
      this.#early = undefined;
    });
    return tell;
  }

  async #acquireNewborn(frame: Frame, granting: Promise<readonly Answer<PlainReply>[]>, made: Promise<QuietState | undefined>): Promise<void> {
    const cluster = this.#cluster;
    const lockFrame = this.#lockFrame(frame);
    const answers = await granting;
    const granted = maskOf(answers, (answer) => answer.error === undefined);
    const state = await made;
    const lost = granted & ~cluster.up;
    this.#good = granted;
    if (state === undefined || lost !== 0 || !this.#recall(state, answers)) {
      await this.#unlock(granted & cluster.up, lockFrame);
      this.#gfid = undefined;
      return;
    }
    this.#frame = frame;
    cluster.quiet.delete(this.#inode);
    this.#inode.ref();
    this.#mask = granted;
    this.#healing = 0;
    this.#isHeld = true;
    this.#countAsked = cluster.graph.platform.clock.monotonic();
    cluster.held.add(this);
  }

  /** If nobody has had the lock since the file was seen quiet, on any of the bricks, that is how it is still. */
  #recall(quiet: QuietState, answers: readonly Answer<PlainReply>[]): boolean {
    if (this.#good !== this.#cluster.geometry.all) return false;
    for (const { brick, reply } of answers) {
      const before = reply?.xdata?.getNumber(GENERATION) ?? 0;
      if (before === 0 || before !== quiet.generations[brick]) return false;
    }
    this.#pre = [quiet.data, quiet.metadata];
    this.#dirty = [quiet.marked === true, quiet.marked === true];
    this.size = quiet.size;
    this.#preSize = quiet.size;
    this.#haveInfo = true;
    return true;
  }

  /** The file was made with its mark, and others have had it since: the mark is ours to take away if no heal has done so. */
  async #adoptMark(frame: Frame): Promise<void> {
    if (this.#good !== this.#cluster.geometry.all) return;
    const answers = await this.#xattrop(this.#good, new Dict().setBin(DIRTY, u64s(0n, 0n)), undefined, frame);
    const isThere = answers.every(({ reply }) => readPair(reply?.dict, DIRTY)?.every((count) => count > 0n) === true);
    if (isThere) this.#dirty = [true, true];
  }

  #loc(): Loc {
    const loc = this.#cluster.locOf(this.#inode);
    if (this.#gfid !== undefined) loc.gfid = this.#gfid;
    return loc;
  }

  #lockFrame(frame: Frame): Frame {
    return this.#cluster.internal(frame).derive({ lk_owner: this.owner, signal: undefined });
  }

  async #unlock(mask: number, lockFrame: Frame): Promise<void> {
    const loc = this.#loc();
    await this.#cluster.all(mask, (child) => child.inodelk(lockFrame, this.#cluster.name as Bytes, loc, InodelkCmd.SETLK, UNLOCK, undefined));
  }

  async #preOp(wanted: Wanted, frame: Frame): Promise<void> {
    for (;;) {
      const optimistic = this.#cluster.options.bool('optimistic-change-log') && this.#good === this.#cluster.geometry.all && !wanted.writes;
      const markData = wanted.data && !this.#dirty[0] && !optimistic;
      const markMetadata = wanted.metadata && !this.#dirty[1] && !optimistic;
      const query = wanted.query && !this.#haveInfo;
      if (!markData && !markMetadata && !query) return;
      if (this.#asking) {
        // Perhaps the one under way brings what is needed.
        await this.#asking.catch(() => undefined);
        continue;
      }
      this.#asking = this.#ask(query, markData, markMetadata, frame).finally(() => {
        this.#asking = undefined;
      });
      await this.#asking;
      return;
    }
  }

  async #ask(query: boolean, markData: boolean, markMetadata: boolean, frame: Frame): Promise<void> {
    const cluster = this.#cluster;
    const regular = this.#inode.ia_type === IaType.REG || this.#inode.ia_type === IaType.INVAL;
    const dict = new Dict();
    let xdata: Dict | undefined;
    if (query) {
      dict.setBin(VERSION, u64s(0n, 0n));
      if (regular) {
        dict.setBin(SIZE, u64s(0n)).setBin(CONFIG, u64s(0n));
        xdata = new Dict().setInt(GET_SIZE, 1);
      }
    }
    if (markData || markMetadata) dict.setBin(DIRTY, u64s(markData ? 1n : 0n, markMetadata ? 1n : 0n));
    const asked = cluster.usable(this.#good);
    const answers = await this.#xattrop(asked, dict, xdata, frame);
    this.#healing |= maskOf(answers, ({ reply }) => ((readPair(reply?.dict, VERSION)?.[0] ?? 0n) & HEALING_BIT) !== 0n);
    const groups = groupAnswers(answers.filter(({ brick }) => ((this.#healing >>> brick) & 1) === 0), (a, b) => sameDict(a.dict, b.dict) && sameDict(a.xdata, b.xdata, true));
    if (markData) this.#dirty[0] = true;
    if (markMetadata) this.#dirty[1] = true;
    const winner = decide(groups, cluster.k);
    if (winner.mask !== asked) this.#releaseWanted = true;
    this.#good &= winner.mask;
    if (query) this.#learn(winner.first, regular);
  }

  #learn(reply: XattropReply, regular: boolean): void {
    const { geometry, log } = this.#cluster;
    this.#pre = readPair(reply.dict, VERSION) ?? [0n, 0n];
    if (regular && this.#inode.ia_type === IaType.REG) {
      const config = readU64(reply.dict, CONFIG) ?? 0n;
      if (config === 0n) {
        log.error(122066, 'Unable to get config xattr.');
        throw new FopError(Errno.ENODATA);
      }
      if (config !== geometry.config) {
        log.error(122001, `Unsupported config (V=${config >> 56n}, A=${(config >> 48n) & 0xffn}, W=${(config >> 40n) & 0xffn}, N=${(config >> 32n) & 0xffn}, R=${(config >> 24n) & 0xffn}, S=${config & 0xffffffn})`);
        throw new FopError(Errno.EINVAL);
      }
      const size = Number(readU64(reply.dict, SIZE) ?? 0n);
      if (!Number.isSafeInteger(size)) throw new FopError(Errno.EFBIG);
      this.size = size;
      this.#preSize = size;
    }
    this.#haveInfo = true;
  }

  #xattrop(mask: number, dict: Dict, xdata: Dict | undefined, frame: Frame): Promise<Answer<XattropReply>[]> {
    const internal = this.#cluster.internal(frame);
    const fd = this.#fd;
    const loc = this.#loc();
    return this.#cluster.all(mask, (child) => (fd ? child.fxattrop(internal, fd, XattropOp.ADD_ARRAY64, dict, xdata) : child.xattrop(internal, loc, XattropOp.ADD_ARRAY64, dict, xdata)));
  }

  /** The bricks that have done it. */
  async #sendPostOp(dict: Dict, mask: number, frame: Frame): Promise<number> {
    const answers = await this.#xattrop(mask & this.#cluster.up, dict, undefined, frame);
    const done = maskOf(answers, ({ error }) => error === undefined);
    if ((this.#good & ~done) !== 0) this.#releaseWanted = true;
    this.#good &= done;
    if (countOf(done & ~this.#healing) >= this.#cluster.k) return done;
    this.badVersion++;
    this.#cluster.log.error(122037, 'Failed to update version and size.', { gfid: Buffer.from(this.#inode.gfid, 'latin1').toString('hex') });
    return done;
  }

  #startRelease(): void {
    this.#cluster.idle.remove(this);
    if (this.#releasing) return;
    this.#names?.forget();
    this.#releasing = this.#release()
      .catch((error: unknown) => this.#cluster.log.error(0, `releasing a lock: ${String(error)}`))
      .finally(() => {
        this.#releasing = undefined;
        this.#admit();
        if (this.#isNeedless) this.#cluster.locks.dismiss(this.#inode, this);
      });
  }

  async #release(): Promise<void> {
    const cluster = this.#cluster;
    const frame = this.#frame;
    if (!frame) return;
    await this.#finalPostOp(frame);
    const mask = this.#mask;
    const fd = this.#fd;
    this.#fd = undefined;
    this.#haveInfo = false;
    this.#pre = undefined;
    this.#delta = [0n, 0n];
    this.#dirty = [false, false];
    this.#doubt = [false, false];
    this.#healing = 0;
    this.#frame = undefined;
    this.stripes.clear();
    const isEverywhere = mask === cluster.geometry.all && cluster.allCombine;
    if (isEverywhere) await cluster.unlocks.give(this.#lockFrame(frame), this.#loc(), this.#inode.gfid);
    else await this.#unlock(mask & cluster.up, this.#lockFrame(frame));
    this.#isHeld = false;
    this.#releaseWanted = false;
    cluster.held.delete(this);
    fd?.unref();
    this.#inode.unref();
  }

  /** spec/ec.md, §13, "At release". */
  async #finalPostOp(frame: Frame): Promise<void> {
    const { geometry, up } = this.#cluster;
    const delta: [bigint, bigint] = [...this.#delta];
    const reached = this.#good | (delta[0] !== 0n ? this.#healing : 0);
    const allGood = !this.#doubt[0] && !this.#doubt[1] && reached === geometry.all && up === geometry.all;
    const dirty: [bigint, bigint] = [0n, 0n];
    for (const half of [0, 1] as const) {
      if (allGood) {
        if (this.#dirty[half]) dirty[half] = -1n;
        // With all bricks alike there is nothing to tell them apart by.
        if (this.#pre !== undefined && this.#pre[half] !== 0n) delta[half] = 0n;
      } else if ((delta[half] !== 0n || this.#doubt[half]) && !this.#dirty[half]) dirty[half] = 1n;
    }
    const sizeDelta = this.#haveInfo && this.#inode.ia_type === IaType.REG ? BigInt(this.size - this.#preSize) : 0n;
    const dict = new Dict();
    if (delta[0] !== 0n || delta[1] !== 0n) dict.setBin(VERSION, u64s(...delta));
    if (sizeDelta !== 0n) dict.setBin(SIZE, u64s(sizeDelta));
    if (dirty[0] !== 0n || dirty[1] !== 0n) dict.setBin(DIRTY, u64s(...dirty));
    if (dict.size === 0) return;
    await this.#sendPostOp(dict, this.#good | this.#healing, frame);
  }
}

function maskOf<R>(answers: readonly Answer<R>[], pick: (answer: Answer<R>) => boolean): number {
  let mask = 0;
  for (const answer of answers) if (pick(answer)) mask |= 1 << answer.brick;
  return mask;
}

/** Why the lock could not be had (spec/ec.md, §20). */
function lockError(answers: readonly Answer<unknown>[], k: number): FopError {
  const [largest] = groupAnswers(answers.filter(({ error }) => error !== undefined), () => true);
  const error = largest?.members[0]?.error;
  if (largest && error && largest.members.length >= k) return error;
  return new FopError(answers.some((answer) => answer.error?.errno === Errno.ESTALE) ? Errno.ESTALE : Errno.EIO);
}
