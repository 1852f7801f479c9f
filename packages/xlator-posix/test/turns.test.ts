import { type Bytes, Errno, type Gfid, IaType, NULL_GFID } from '@glusterts/libglusterfs';
import { beforeEach, describe, expect, it } from 'vitest';
import { Turns } from '../src/turns.js';

/** A loop that takes turns when it is told; one of them hangs while others are made within it. */
class Loop {
  standsIn = 0;
  readonly #changes: (() => void)[] = [];
  readonly #looks: (() => void)[] = [];
  #changing = false;

  inTurn(change: () => void): void {
    this.#changes.push(change);
  }
  lookInTurn(look: () => void): void {
    this.#looks.push(look);
  }

  take(): void {
    for (;;) {
      const look = this.#looks.shift();
      if (look) {
        look();
        continue;
      }
      const change = this.#changing ? undefined : this.#changes.shift();
      if (!change) return;
      this.#changing = true;
      change();
      this.#changing = false;
    }
  }

  /** The turn in which this is called hangs, until all that can be has been made. */
  hang(meanwhile: () => void): void {
    this.standsIn++;
    meanwhile();
    this.take();
    this.standsIn--;
  }
}

const gfid = (name: string): Gfid => name.padEnd(16) as Gfid;
const fd = (target: string, type: IaType = IaType.REG) => ({ inode: { gfid: gfid(target), ia_type: type } });
const loc = (parent: string, name: string, target?: string, type: IaType = IaType.REG) => ({
  parentGfid: gfid(parent), name: name as Bytes, targetGfid: target === undefined ? NULL_GFID : gfid(target), inode: { gfid: target === undefined ? NULL_GFID : gfid(target), ia_type: type },
});

describe('turns', () => {
  let loop: Loop;
  let turns: Turns;
  let made: string[];
  beforeEach(() => {
    loop = new Loop();
    turns = new Turns(loop, false);
    made = [];
  });
  const make = (name: string) => (): string => {
    made.push(name);
    return name;
  };
  const all = async (): Promise<void> => {
    for (let i = 0; i < 10; i++) {
      loop.take();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  /** A turn that hangs, and what is asked for meanwhile. */
  const hanging = (name: string, meanwhile: () => void) => (): void => {
    loop.hang(meanwhile);
    made.push(name);
  };

  it('while a change hangs, looks at what it changes wait, others and no other change are made', async () => {
    void turns.run(hanging('rename', () => {
      expect(turns.running).toBe(false);
      void turns.look(make('old name'), loc('dir', 'a'));
      void turns.look(make('new name'), loc('dir', 'b'));
      void turns.look(make('by gfid'), fd('A'));
      void turns.look(make('listing'), loc('top', 'dir', 'dir'), true);
      void turns.look(make('directory'), loc('top', 'dir', 'dir'));
      void turns.look(make('another'), loc('dir', 'c', 'C'));
      void turns.run(make('change'), loc('dir', 'c', 'C'));
      expect(turns.concern(fd('C'))).toBe(true);
    }), loc('dir', 'a', 'A'), loc('dir', 'b'));
    await all();
    expect(made.slice(0, 4)).toEqual(['directory', 'another', 'rename', 'change']);
    expect(made.slice(4).sort()).toEqual(['by gfid', 'listing', 'new name', 'old name']);
  });

  it('while a look hangs, changes of what it looks at wait, also before later ones of the same file on the pool; others are made', async () => {
    let concerned = false;
    void turns.look(hanging('look', () => {
      expect(turns.running).toBe(false);
      void turns.run(make('same name'), loc('dir', 'a'));
      void turns.run(make('same file'), fd('A'));
      void turns.run(make('its directory'), loc('top', 'dir', 'dir'));
      void turns.run(make('a directory moves'), loc('top', 'x', 'X', IaType.DIR), loc('top', 'y'));
      void turns.run(make('another'), loc('dir', 'c', 'C'));
      loop.take();
      concerned = turns.concern(fd('A')) && !turns.concern(fd('C'));
    }), loc('dir', 'a', 'A'));
    await all();
    expect(concerned).toBe(true);
    expect(made).toEqual(['another', 'look', 'same name', 'same file', 'its directory', 'a directory moves']);
    expect(turns.concern(fd('A'))).toBe(false);
  });

  it('while a look hangs, others at the same wait, so that they take no more threads; others are made', async () => {
    void turns.look(hanging('hanging', () => {
      void turns.look(make('same directory'), fd('D'), true);
      void turns.look(make('same name'), loc('top', 'd'));
      void turns.look(make('in it'), loc('D', 'x', 'X'));
    }), loc('top', 'd', 'D'), true);
    await all();
    expect(made).toEqual(['in it', 'hanging', 'same directory', 'same name']);
  });

  it('several hang, one within the other; each is waited for by those whom it concerns', async () => {
    void turns.look(hanging('first', () => {
      void turns.look(hanging('second', () => {
        void turns.look(make('like the first'), fd('A'));
        void turns.run(hanging('change', () => void turns.look(make('like the change'), fd('C'))), fd('C'));
      }), fd('B'));
    }), fd('A'));
    await all();
    expect(made).toEqual(['change', 'second', 'first', 'like the change', 'like the first']);
  });

  it('takes no more than so many, and answers errors as they are', async () => {
    const fops = Array.from({ length: 16384 }, () => turns.look(() => undefined, fd('A')));
    await expect(turns.look(() => undefined, fd('A'))).rejects.toMatchObject({ errno: Errno.EAGAIN });
    loop.take();
    await Promise.all(fops);
    const failing = turns.look(() => {
      throw new Error('as it is');
    }, fd('A'));
    loop.take();
    await expect(failing).rejects.toThrow('as it is');
  });
});
