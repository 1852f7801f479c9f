import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { HOST, ourGluster, ourGlusterd, PrivateHost, whyNoHost } from './private-host.js';

const reason = whyNoHost();
if (reason !== undefined) console.warn(`geometries of disperse volumes: skipped: ${reason}`);

/** What the real gluster and glusterd said, command by command. */
const vector = readFileSync(join(import.meta.dirname, 'vectors/cli-geometry-options.txt'), 'utf8');

const bricks = (name: string, count: number): string => Array.from({ length: count }, (_, at) => `${HOST}:/d/${name}/b${at}`).join(' ');

/** The words that the vector's titles stand for; a name of a volume is in its answer, or was never told. */
const CREATES: Record<string, [name: string, words: string, bricks: number]> = {
  'redundancy 2 of 4': ['r1', 'disperse 4 redundancy 2', 4],
  'disperse-data 2 of 3': ['r2', 'disperse-data 2', 3],
  'disperse-data 2, 6 bricks': ['r3', 'disperse-data 2', 6],
  'disperse-data 2 redundancy 1, 6 bricks': ['r4', 'disperse-data 2 redundancy 1', 6],
  'disperse 6 disperse-data 4': ['r5', 'disperse 6 disperse-data 4', 6],
  'disperse 2': ['r6', 'disperse 2', 2],
  'disperse 20 redundancy 1 (k=19)': ['r7', 'disperse 20 redundancy 1', 20],
  'redundancy only': ['r8', 'redundancy 2', 6],
  'replica+disperse': ['r9', 'replica 3 disperse 3', 3],
  mismatch: ['r10', 'disperse 6 disperse-data 4 redundancy 1', 6],
};

/** The commands behind the vector, in its order, printing what stands in it. */
function scriptOf(text: string): string {
  const lines: string[] = [`G() { ${ourGluster} --mode=script "$@" 2>&1; }`, `geometry() { G volume info $1 | grep '^Number of Bricks'; }`];
  for (const line of text.split('\n')) {
    const count = /^n=(\d+) /.exec(line)?.[1];
    const title = /^-- (.*)$/.exec(line)?.[1];
    if (count !== undefined) lines.push(`mkdir /d/q${count}`, `G volume create q${count} disperse ${count} ${bricks(`q${count}`, Number(count))} force`, `echo "n=${count} $(geometry q${count})"`);
    if (title === undefined) continue;
    lines.push(`echo ${JSON.stringify(line)}`);
    const create = CREATES[title];
    if (create) lines.push(`mkdir /d/${create[0]}`, `G volume create ${create[0]} ${create[1]} ${bricks(create[0], create[2])} force && geometry ${create[0]}`);
    // Out of range, out of range, the least that fits, out of range, not a number.
    else if (title === 'quorum-count') for (const value of [1, 3, 4, 7, 'x']) lines.push(`G volume set q6 disperse.quorum-count ${value}`);
    else if (title.startsWith('set ')) lines.push(`G volume ${title.replace('set', 'set q6')}`);
    else throw new Error(`the vector has a part that this test doesn't know: ${title}`);
  }
  lines.push(`G volume get q3 all | grep -E '^(disperse\\.|cluster\\.(heal-timeout|optimistic-change-log|disperse-self-heal-daemon) )'`);
  return lines.join('\n');
}

describe.skipIf(reason !== undefined)('disperse volumes', () => {
  test('have the geometry, and their options the limits and defaults, of the real glusterd; what it refuses is refused in its words', () => {
    const host = new PrivateHost();
    try {
      const output = host.run(`${ourGlusterd}\nfor i in $(seq 1000); do ${ourGluster} pool list >/dev/null 2>&1 && break; sleep 0.05; done\n${scriptOf(vector)}`);
      expect(output).toBe(vector);
    } finally {
      host.close();
    }
  }, 120_000);
});
