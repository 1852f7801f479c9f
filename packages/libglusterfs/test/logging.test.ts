import { describe, expect, it } from 'vitest';
import { GlusterLogger, LogLevel } from '../src/index.js';
import { ManualTime } from './manual-time.js';

function setup(): { time: ManualTime; lines: string[]; log: GlusterLogger } {
  const time = new ManualTime();
  const lines: string[] = [];
  const log = GlusterLogger.create('x', { sink: (line) => lines.push(line), clock: time.clock, timers: time.timers });
  return { time, lines, log };
}

const REPEATED = 'The message "W [MSGID: 114029] [glusterts:0:x] 0-x: text [{k=v}] " repeated 3 times between [1970-01-01 00:00:00.000000 +0000] and [1970-01-01 00:00:03.000000 +0000]\n';

describe('a log', () => {
  it('has a repeated message once, and its count after 120 seconds', async () => {
    const { time, lines, log } = setup();
    for (let i = 0; i < 4; i++) {
      log.warning(114029, 'text', { k: 'v' });
      await time.pass(1000);
    }
    expect(lines).toEqual(['[1970-01-01 00:00:00.000000 +0000] W [MSGID: 114029] [glusterts:0:x] 0-x: text [{k=v}] \n']);
    await time.pass(115_999);
    expect(lines).toHaveLength(1);
    await time.pass(1);
    expect(lines[1]).toBe(REPEATED);
    log.warning(114029, 'text', { k: 'v' });
    expect(lines).toHaveLength(3);
  });

  it('remembers five messages: a sixth pushes out the one that came longest ago', () => {
    const { lines, log } = setup();
    for (let id = 1; id <= 5; id++) log.info(id, 'message');
    log.info(1, 'message');
    log.info(2, 'message');
    expect(lines).toHaveLength(5);
    log.info(6, 'message');
    log.info(7, 'message');
    log.info(8, 'message');
    expect(lines).toHaveLength(8);
    log.info(9, 'message');
    expect(lines[8]).toContain('The message "I [MSGID: 1]');
    expect(lines[8]).toContain('repeated 1 times');
  });

  it('writes the counts at the end, and every message when log-buf-size is 0', () => {
    const { lines, log } = setup();
    log.error(5, 'a');
    log.error(5, 'a');
    log.flush();
    expect(lines).toHaveLength(2);
    log.configure({ bufSize: 0 });
    log.error(5, 'a');
    log.error(5, 'a');
    expect(lines).toHaveLength(4);
  });

  it('never holds back lines without a message id, nor equal texts of another level or domain', () => {
    const { lines, log } = setup();
    log.info(0, 'plain');
    log.info(0, 'plain');
    log.info(7, 'text');
    log.error(7, 'text');
    log.domain('y').info(7, 'text');
    expect(lines).toHaveLength(5);
  });

  it('changes its level for all domains at once', () => {
    const { lines, log } = setup();
    const other = log.domain('other');
    other.debug(0, 'no');
    log.configure({ level: LogLevel.DEBUG });
    other.debug(0, 'yes');
    log.configure({ level: LogLevel.NONE });
    other.error(0, 'no');
    expect(lines.map((line) => /: (\w+)$/m.exec(line)?.[1])).toEqual(['yes']);
  });
});
