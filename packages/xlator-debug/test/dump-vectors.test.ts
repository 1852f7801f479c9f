import { readFileSync } from 'node:fs';
import { FOP_LABELS } from '@glusterts/libglusterfs';
import { describe, expect, it } from 'vitest';
import { Counters, UPCALL_LABELS } from '../src/counters.js';
import { cumulativeJson, intervalJson } from '../src/json-report.js';
import { fixed } from '../src/printf.js';
import { cumulativeText, intervalText, type OpenFiles } from '../src/text-report.js';
import { FileStat, TopLists, type CountList, type ThroughputList } from '../src/top-lists.js';

/* The dumps of GlusterFS 10.3, taken apart into counters, and written again by ours: every byte must be there. */

const vector = (name: string): string => readFileSync(new URL(`vectors/${name}`, import.meta.url), 'latin1');
const NOW_S = 1_000_000;

/** Counters from one part of a text dump. */
function countersOf(part: string): Counters {
  const number = (pattern: RegExp): number => Number(pattern.exec(part)?.[1]);
  const counters = new Counters(NOW_S - number(/Duration : (\d+) secs/));
  counters.bytesRead = number(/BytesRead : (\d+)/);
  counters.bytesWritten = number(/BytesWritten : (\d+)/);
  const cells = (title: string): number[] => [...part.matchAll(new RegExp(`^${title} +:(.*)$`, 'gm'))].flatMap(([, row = '']) => row.trim().split(/ +/).map((cell) => Number.parseInt(cell, 10)));
  const reads = cells('Read Count');
  const writes = cells('Write Count');
  cells('Block Size').forEach((size, i) => {
    counters.readBlocks[Math.log2(size)] = reads[i] ?? 0;
    counters.writeBlocks[Math.log2(size)] = writes[i] ?? 0;
  });
  for (const [, label = '', hits, averageNs, minNs, maxNs] of part.matchAll(/^([A-Z_]+) +(\d+) +([\d.]+) us +([\d.]+) us +([\d.]+) us$/gm)) {
    const upcall = UPCALL_LABELS.findIndex((each) => each === label);
    if (upcall >= 0) counters.upcalls[upcall] = Number(hits);
    else Object.assign(counters.fops[FOP_LABELS.indexOf(label)] ?? {}, { hits: Number(hits), averageNs: Number(averageNs), minNs: Number(minNs), maxNs: Number(maxNs) });
  }
  return counters;
}

function timeOf(text: string): { sec: number; nsec: number } {
  const [, day, time, micros] = /^(\S+) (\d\d:\d\d:\d\d)\.(\d{6}) \+0000$/.exec(text) ?? [];
  return { sec: Date.parse(`${day}T${time}Z`) / 1000, nsec: Number(micros) * 1000 };
}

const TITLES: Readonly<Record<string, CountList>> = { 'Open File Stats': 'open', 'Read File Stats': 'read', 'Write File Stats': 'write', 'Directory open stats': 'opendir', 'Directory readdirp Stats': 'readdirp' };
const THROUGHPUT_TITLES: Readonly<Record<string, ThroughputList>> = { 'Read Throughput File Stats': 'read', 'Write Throughput File Stats': 'write' };

/** The lists of a cumulative part: the last line was added first. */
function listsOf(part: string): TopLists {
  const lists = new TopLists();
  const files = new Map<string, FileStat>();
  const file = (path: string): FileStat => {
    const known = files.get(path) ?? new FileStat(path);
    files.set(path, known);
    return known;
  };
  for (const [, title = '', body = ''] of part.matchAll(/^=+([A-Za-z ]+)=+\n\n.*\n((?:.+\n)*)/gm)) {
    const lines = body.split('\n').filter((line) => line !== '').reverse();
    const counted = TITLES[title];
    const throughput = THROUGHPUT_TITLES[title];
    for (const line of lines) {
      if (counted) {
        const [, value, path = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
        lists.counts[counted].add(file(path), Number(value));
      } else if (throughput) {
        const [, time = '', value, path = ''] = /^(.*) \t (\S+) +\t {2}(.*)$/.exec(line) ?? [];
        const stat = file(path);
        stat.throughput[throughput] = { value: Number(value), at: timeOf(time) };
        lists.throughput[throughput].add(stat, Number(value));
      } else throw new Error(`an unknown list: ${title}`);
    }
  }
  return lists;
}

function openFilesOf(part: string): OpenFiles {
  const [, open, most, time = ''] = /^Current open fd's: (\d+) Max open fd's: (\d+) time (.*)$/m.exec(part) ?? [];
  return { open: Number(open), most: Number(most), mostAt: timeOf(time) };
}

describe('io-stats’ dump as text', () => {
  it.each(['io-stats-dump-1-client.txt', 'io-stats-dump-2-client-after-interval.txt'])('is GlusterFS’s to the byte: %s', (name) => {
    const wanted = vector(name);
    const border = wanted.indexOf('\n=== Interval');
    const [cumulative, interval] = [wanted.slice(0, border), wanted.slice(border)];
    const number = Number(/=== Interval (\d+) stats ===/.exec(interval)?.[1]);
    expect(cumulativeText(countersOf(cumulative), openFilesOf(cumulative), listsOf(cumulative), NOW_S)).toBe(cumulative);
    expect(intervalText(countersOf(interval), number, NOW_S)).toBe(interval);
  });

  it('has three block sizes in a row', () => {
    const counters = new Counters(NOW_S);
    for (const size of [1, 2, 4, 1024]) counters.read(size);
    expect(intervalText(counters, 3, NOW_S).split('\n').slice(6, 14)).toEqual([
      'Block Size   :               1B+               2B+               4B+',
      'Read Count   :                 1                 1                 1',
      'Write Count  :                 0                 0                 0',
      '',
      'Block Size   :            1024B+',
      'Read Count   :                 1',
      'Write Count  :                 0',
      '',
    ]);
  });
});

describe('io-stats’ dump as JSON', () => {
  const wanted = vector('io-stats-interval-dump-client.json');
  const [aggregated = '', interval = ''] = wanted.split(/(?<=^\}\n)/m);
  const QUEUES = new Map([['LEAST', 0], ['LOW', 0], ['NORMAL', 0], ['HIGH', 0]]);
  /** Means are made of means that are rounded in the vector: the last digits are not in it. */
  const rounded = (text: string): string => text.replace(/(weighted_latency_ave_usec(?:_nozerofill)?":) ?(\d+)\.\d{4},/g, (_, key: string, whole: string) => `${key} ${Math.round(Number(whole) / 10) * 10}.NNNN,`);

  /** Counters from one object; an interval has rates. */
  function countersOfJson(part: string, prefix: string): { counters: Counters; seconds: number } {
    const values: Record<string, number> = JSON.parse(part);
    const value = (name: string): number => values[`${prefix}.${name}`] ?? Number.NaN;
    const aggregate = prefix.endsWith('.aggr');
    const seconds = value(aggregate ? 'uptime' : 'sample_interval_sec');
    const counted = (name: string, suffix: string): number => (aggregate ? value(`${name}${suffix}`) : Math.round(value(`${name}${suffix === '.count' ? '.' : '_'}per_sec`) * seconds));
    const counters = new Counters(NOW_S - seconds);
    counters.bytesRead = counted('bytes_read', '');
    counters.bytesWritten = counted('bytes_written', '');
    for (let i = 0; i < 31; i++) {
      const size = i >= 20 ? `${2 ** (i - 20)}mb` : i >= 10 ? `${2 ** (i - 10)}kb` : `${2 ** i}b`;
      counters.readBlocks[i] = counted(`read_${size}`, '');
      counters.writeBlocks[i] = counted(`write_${size}`, '');
    }
    FOP_LABELS.forEach((label, i) => {
      const name = `fop.${label.toLowerCase()}`;
      Object.assign(counters.fops[i] ?? {}, {
        // The upcalls begin with a null too, under the same key.
        hits: counted(name, '.count'), averageNs: value(`${name}.latency_ave_usec`), minNs: value(`${name}.latency_min_usec`), maxNs: value(`${name}.latency_max_usec`),
      });
    });
    UPCALL_LABELS.forEach((label, i) => (counters.upcalls[i] = counted(`fop.${label.toLowerCase()}`, '.count')));
    return { counters, seconds };
  }

  it('since the start is GlusterFS’s', () => {
    const { counters } = countersOfJson(aggregated, 'gluster.p.aggr');
    const open = { open: 0, most: 2, mostAt: { sec: 0, nsec: 0 } };
    expect(rounded(cumulativeJson(counters, open, QUEUES, 'gluster.p', NOW_S))).toBe(rounded(aggregated));
  });

  it('of an interval is GlusterFS’s', () => {
    const { counters } = countersOfJson(interval, 'gluster.p.inter');
    expect(rounded(intervalJson(counters, QUEUES, 'gluster.p', NOW_S))).toBe(rounded(interval));
  });
});

describe('numbers as C prints them', () => {
  it('rounds exact halves to the even digit, and names what is no number', () => {
    expect([fixed(1532263.875, 2), fixed(0.125, 2), fixed(0.375, 2), fixed(2.5, 0), fixed(3.5, 0), fixed(0 / 0, 2), fixed(1 / 0, 2)]).toEqual(['1532263.88', '0.12', '0.38', '2', '4', '-nan', 'inf']);
  });
});
