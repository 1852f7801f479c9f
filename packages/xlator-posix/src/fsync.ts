import { type Fd, type Frame, Iatt, type PrePostReply, type Xdata } from '@glusterts/libglusterfs';
import { type Brick, type OpenFile, check } from './brick.js';
import { Key } from './keys.js';

/* fsync, alone and in batches (spec/brick.md, §10.4). */

interface Waiting {
  readonly file: OpenFile;
  readonly fd: Fd;
  resolve(reply: PrePostReply): void;
  reject(error: unknown): void;
}

export class FsyncQueue {
  readonly #brick: Brick;
  #waiting: Waiting[] = [];
  #running = false;

  constructor(brick: Brick) {
    this.#brick = brick;
  }

  async fsync(_frame: Frame, fd: Fd, datasync: boolean, xdata: Xdata): Promise<PrePostReply> {
    const { storage, settings } = this.#brick;
    const file = this.#brick.openFile(fd);
    if (xdata?.has(Key.BATCH_FSYNC) && settings.batchFsyncMode !== 'none') return this.#enqueue(fd, file);
    const prestat = this.#brick.statFd(file, fd.inode);
    check(await (datasync ? storage.fdatasync(file.fd) : storage.fsync(file.fd)));
    return { prestat, poststat: this.#brick.statFd(file, fd.inode), xdata: undefined };
  }

  #enqueue(fd: Fd, file: OpenFile): Promise<PrePostReply> {
    return new Promise((resolve, reject) => {
      // The fd may be closed by its owner before the batch is due.
      this.#waiting.push({ file, fd: fd.ref(), resolve, reject });
      if (this.#running) return;
      this.#running = true;
      this.#brick.platform.timers.after(this.#brick.settings.batchFsyncDelayMs, () => void this.#drain());
    });
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      await this.#sync(batch);
    }
    this.#running = false;
  }

  async #sync(batch: readonly Waiting[]): Promise<void> {
    const { storage, settings } = this.#brick;
    const mode = settings.batchFsyncMode;
    const first = batch[0];
    if (!first) return;
    const whole = mode.startsWith('syncfs') ? await storage.syncfs(first.file.fd) : 0;
    const newestFirst = [...batch].reverse();
    for (const [i, { file, fd, resolve, reject }] of newestFirst.entries()) {
      const each = mode === 'reverse-fsync' || mode === 'syncfs-reverse-fsync' || (mode === 'syncfs-single-fsync' && i === 0);
      try {
        check(whole);
        if (each) check(await storage.fsync(file.fd));
        resolve({ prestat: new Iatt(), poststat: new Iatt(), xdata: undefined });
      } catch (error) {
        reject(error);
      } finally {
        fd.unref();
      }
    }
  }
}
