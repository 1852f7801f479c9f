import { type Bytes, Errno, type Fd, type Flock, type Frame, LkCmd, LkType } from '@glusterts/libglusterfs';
import { describe, expect, it } from 'vitest';
import { expectErrno } from './expect-errno.js';
import type { Bench } from './suite.js';

const flock = (type: LkType, start: number, len: number): Flock => ({ type, whence: 0, start: BigInt(start), len: BigInt(len), pid: 1, owner: '' as Bytes });

/** fcntl locks. */
export function lockTests(bench: Bench): void {
  const { at } = bench;

  describe.skipIf(!bench.has('locks'))('record locks', () => {
    const owner = (name: string): Frame => bench.driver.frame.derive({ lk_owner: name as Bytes });
    const lock = (frame: Frame, fd: Fd, cmd: LkCmd, what: Flock): Promise<Flock> => bench.driver.subvolume.lk(frame, fd, cmd, what, undefined).then((reply) => reply.flock);

    it('keep other owners out until they go', async () => {
      const fd = await bench.driver.create(at('f'));
      const [a, b] = [owner('aaaaaaaa'), owner('bbbbbbbb')];
      await lock(a, fd, LkCmd.SETLK, flock(LkType.WRLCK, 0, 100));
      await expectErrno(lock(b, fd, LkCmd.SETLK, flock(LkType.WRLCK, 50, 10)), Errno.EAGAIN);
      await expectErrno(lock(b, fd, LkCmd.SETLK, flock(LkType.RDLCK, 99, 1)), Errno.EAGAIN);
      await lock(b, fd, LkCmd.SETLK, flock(LkType.WRLCK, 100, 10));
      expect(await lock(b, fd, LkCmd.GETLK, flock(LkType.WRLCK, 0, 10))).toMatchObject({ type: LkType.WRLCK, start: 0n, len: 100n });
      await lock(a, fd, LkCmd.SETLK, flock(LkType.UNLCK, 0, 100));
      expect((await lock(b, fd, LkCmd.GETLK, flock(LkType.WRLCK, 0, 10))).type).toBe(LkType.UNLCK);
      await lock(b, fd, LkCmd.SETLK, flock(LkType.UNLCK, 0, 0));
      await bench.driver.close(fd);
    });

    it('are granted to a waiter when they are given up', async () => {
      const fd = await bench.driver.create(at('f'));
      const [a, b] = [owner('aaaaaaaa'), owner('bbbbbbbb')];
      await lock(a, fd, LkCmd.SETLK, flock(LkType.WRLCK, 0, 0));
      let granted = false;
      const waiting = lock(b, fd, LkCmd.SETLKW, flock(LkType.WRLCK, 10, 5)).then(() => (granted = true));
      await bench.driver.fstat(fd);
      expect(granted).toBe(false);
      await lock(a, fd, LkCmd.SETLK, flock(LkType.UNLCK, 0, 0));
      await waiting;
      await lock(b, fd, LkCmd.SETLK, flock(LkType.UNLCK, 0, 0));
      await bench.driver.close(fd);
    });
  });
}
