import { readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ourGluster, ourGlusterd, ourGlusterfsd, PrivateHost, whyNoHost } from './private-host.js';

interface Vector { readonly name: string; readonly argv: readonly string[]; readonly stdin?: string; readonly rc: number; readonly stdout: string; readonly stderr: string }

const vectors: readonly Vector[] = JSON.parse(readFileSync(join(import.meta.dirname, 'vectors/cli/volume-create-start-stop.json'), 'utf8'));

const ARBITER = 'bricks of arbiter volumes are not built';
const ONE_PATH = 'a volume with the same path on both hosts, which are one here';
/** Commands that are run but not compared, and why. */
const APART: Readonly<Record<string, string>> = {
  'start-va': ARBITER, 'q-long': ARBITER, 'start-va2': ARBITER, 'stop-xml': ARBITER,
  'create-rep2-question-y': 'here both hosts are one, which is refused earlier',
  // Both bricks of a path would serve one directory, and one of them may not come up.
  'start-vdr': ONE_PATH, 'stop-q-y': ONE_PATH,
  'create-thin-arbiter': 'thin arbiters are not built',
};

const reason = whyNoHost();
if (reason !== undefined) console.warn(`volume create, start, stop and delete by our programs: skipped: ${reason}`);
// What glusterd says to bricks in the root partition can only be heard where /d lies in it.
const inRoot = statSync('/').dev === statSync(tmpdir()).dev;
const compared = vectors.filter(({ name, stderr }) => !(name in APART) && (inRoot || !stderr.includes('root partition')));
console.warn(`volume-create-start-stop.json: ${vectors.length - compared.length} of ${vectors.length} recordings are not compared with: ${[...new Set(Object.values(APART))].join('; ')}${inRoot ? '' : '; bricks outside of the root partition'}`);

const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;
const withoutUuids = (text: string): string => text.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UUID');

describe.skipIf(reason !== undefined)('the recorded volume create, start, stop and delete, one after the other, by our gluster and glusterd', () => {
  // The recording's two nodes are one here: a name is local or it isn't.
  const host = new PrivateHost('clia', ['clib']);

  beforeAll(() => {
    const lines = vectors.map(({ argv, stdin = '' }, at) => `printf %s ${quote(stdin)} | ${ourGluster} ${argv.slice(1).map(quote).join(' ')} >/run/o/${at}.out 2>/run/o/${at}.err; echo $? >/run/o/${at}.rc`);
    host.run(`
export GLUSTERTS_GLUSTERFSD=${quote(ourGlusterfsd)}
ip addr add 10.77.0.45/32 dev lo; mkdir -p /run/o
${ourGlusterd}; for i in $(seq 200); do ${ourGluster} pool list >/dev/null 2>&1 && break; sleep 0.05; done
${lines.join('\n')}
`);
  }, 300_000);
  afterAll(() => host.close());

  test.each(compared)('$name: $argv', ({ name, rc, stdout, stderr }) => {
    const at = vectors.findIndex((vector) => vector.name === name);
    const ours = { rc: Number(host.read(`run/o/${at}.rc`)), stdout: host.read(`run/o/${at}.out`), stderr: host.read(`run/o/${at}.err`) };
    expect({ ...ours, stdout: withoutUuids(ours.stdout) }).toEqual({ rc, stdout: withoutUuids(stdout), stderr });
  });

  test('cmd_history.log has the recorded lines of these commands, in their order', () => {
    const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '').map((line) => line.replace(/^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} \+0000\]/, '[TIME]'));
    const ours = lines(host.read('log/cmd_history.log'));
    const ran = new Set(compared.map(({ argv }) => argv.filter((word) => !word.startsWith('--')).slice(1).join(' ')));
    const recorded = lines(readFileSync(join(import.meta.dirname, 'vectors/cli/cmd_history-tail.txt'), 'utf8')).filter((line) => ran.has(line.replace('[TIME]  : ', '').replace(/ : (SUCCESS|FAILED : .*)$/, '')));
    expect(recorded.length).toBeGreaterThan(4);
    // The recording is the tail of a longer history: each of its lines is in ours, none before an earlier one.
    let at = -1;
    for (const line of recorded) {
      const next = ours.indexOf(line, at + 1);
      expect(next, line).toBeGreaterThan(at);
      at = next;
    }
  });
});
