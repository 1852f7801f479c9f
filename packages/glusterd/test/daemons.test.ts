import { accessSync, constants, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ourGluster, ourGlusterd, ourGlusterfsd, ourMountHelper, PrivateHost, whyNoHost } from './private-host.js';

interface Vector { readonly name: string; readonly argv: readonly string[]; readonly rc: number; readonly stdout: string; readonly stderr: string }

const vectors: readonly Vector[] = JSON.parse(readFileSync(join(import.meta.dirname, 'vectors/cli/daemons-mount.json'), 'utf8'));
const recorded = (name: string): Vector => {
  const vector = vectors.find((each) => each.name === name);
  if (!vector) throw new Error(`no recording ${name}`);
  return vector;
};

function whyNoFuse(): string | undefined {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
    return undefined;
  } catch {
    return 'needs /dev/fuse';
  }
}
const reason = whyNoHost() ?? whyNoFuse();
if (reason !== undefined) console.warn(`daemons, mounts and their helper beside the recording: skipped: ${reason}`);

/** What is compared as it was printed. The daemons' own options are compared in packages/daemon. */
const REPEATED = [
  'glusterfs-nomountpoint', 'glusterfs-novolfile', 'glusterfs-nosuchvol', 'glusterd-again', 'mount-V', 'mount-noargs', 'mount-h', 'mount-nomp', 'mount-badspec', 'mount-ofirst', 'mount-badopt', 'mount-badkv', 'mount-root', 'mount-ok',
  'mount-again', 'mount-subdir', 'mount-backup', 'mount-nosuchvol', 'mount-ro', 'mount-fstab-style', 'mount-fstab2', 'subdir-missing-ls', 'mounts-after',
];
const bin = dirname(ourMountHelper);
const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/** A recorded command line with our programs; mount(8) takes the type off and puts the options behind. */
function ourLine({ argv }: Vector): string {
  const [program = '', ...words] = argv[0] === 'mount' ? ['mount.glusterfs', ...argv.slice(5), '-o', argv[4] ?? ''] : argv;
  return [/^(gluster(fs|fsd|d)?|mount\.glusterfs)$/.test(program) ? join(bin, program) : program, ...words].map(quote).join(' ');
}
const run = (name: string): string => `{ ${ourLine(recorded(name))} </dev/null >/run/o/${name}.out 2>/run/o/${name}.err; echo $? >/run/o/${name}.rc; }`;

/** Its own path, and that of its programs, as where the original's are. */
const placed = (text: string): string => text.replaceAll(ourMountHelper, '/usr/sbin/mount.glusterfs').replace(/^(glusterfs 10\.3\n)[^]*$/, '$1(rest of the banner elided)\n');

describe.skipIf(reason !== undefined)('glusterd, bricks, mounts and mount.glusterfs beside the recording', () => {
  const host = new PrivateHost('clia', ['clib']);
  const result = (name: string): { rc: number; stdout: string; stderr: string } => ({
    rc: Number(host.read(`run/o/${name}.rc`)), stdout: placed(host.read(`run/o/${name}.out`)), stderr: placed(host.read(`run/o/${name}.err`)),
  });

  beforeAll(() => {
    const unmount = (...names: string[]): string => names.map((name) => `umount /mnt/${name}`).join('; ');
    // A mount whose subdirectory isn't there reports failure or success, by timing, in the original too; then it goes.
    const missing = (name: string, spec: string, at: string): string => `${quote(ourMountHelper)} ${spec} ${at} >/run/o/${name}.out 2>/run/o/${name}.err; echo $? >/run/o/${name}.rc; for i in $(seq 200); do grep -q " ${at} " /proc/mounts || break; sleep 0.05; done`;
    const output = host.run(`
export GLUSTERTS_GLUSTERFSD=${quote(ourGlusterfsd)}
mkdir -p /run/o /mnt/m1 /mnt/m2 /mnt/m3 /mnt/m4
${ourGlusterd}; for i in $(seq 200); do ${ourGluster} pool list >/dev/null 2>&1 && break; sleep 0.05; done
${ourGluster} volume create vd clia:/d/d1 clia:/d/d2 force; ${ourGluster} volume create ve disperse 3 redundancy 1 clia:/d/e1 clia:/d/e2 clia:/d/e3 force
${ourGluster} volume start vd; ${ourGluster} volume start ve
${['glusterfs-nomountpoint', 'glusterfs-novolfile', 'glusterfs-nosuchvol', 'glusterd-again'].map(run).join('\n')}
${['mount-V', 'mount-noargs', 'mount-h', 'mount-nomp', 'mount-badspec', 'mount-ofirst', 'mount-badopt', 'mount-badkv', 'mount-root', 'mount-ok', 'mount-again'].map(run).join('\n')}
mkdir -p /mnt/m1/sub/dir
${run('mount-subdir')}
${missing('mount-subdir-missing', 'clia:/vd/nosub', '/mnt/m3')}
${['mount-backup', 'mount-nosuchvol', 'mount-ro', 'mounts', 'ps-all', 'df'].map(run).join('\n')}
head -3 /var/log/glusterfs/mnt-m1.log >/run/o/mount-log.out
${unmount('m1', 'm2', 'm3', 'm4')}
${['mount-fstab-style', 'mount-fstab2'].map(run).join('\n')}
ps -eo args >/run/o/ps-mount.out
${missing('subdir-missing-again', 'clia:/ve/nosub', '/mnt/m4')}
${['subdir-missing-ls', 'mounts-after'].map(run).join('\n')}
cat /proc/mounts >/run/o/all-mounts
`);
    expect(output).toContain('volume start: ve: success');
  }, 300_000);
  afterAll(() => host.close());

  test.each(REPEATED)('%s', (name) => {
    const { rc, stdout, stderr } = recorded(name);
    expect(result(name)).toEqual({ rc, stdout, stderr });
  });

  test.each(['mount-subdir-missing', 'subdir-missing-again'])('%s: success, or a failure in one of the two ways; nothing is left mounted', (name) => {
    const { rc, stderr } = result(name);
    const at = recorded(name).argv.at(-1) ?? '';
    expect([[0, ''], [1, `Mounting glusterfs on ${at} failed.\n`], [1, 'Mount failed. Check the log file  for more details.\n']]).toContainEqual([rc, stderr]);
  });

  test('the mounts have the recorded source, type and options', () => {
    const lines = (text: string): string[] => text.split('\n').filter((line) => / \/mnt\/m\d /.test(line));
    // Ours reads up to 1 MiB at once.
    const options = (text: string): string[] => lines(text).map((line) => line.replace(/max_read=\d+/, 'max_read=N'));
    expect(options(result('mounts').stdout)).toEqual(options(recorded('mounts').stdout));
    const shown = (text: string): string[] => (text.split('\n')[1] ?? '').split(/ +/).filter((_, at) => [0, 1, 6].includes(at));
    expect(shown(result('df').stdout)).toEqual(shown(recorded('df').stdout));
  });

  test('glusterd starts bricks, and the helper starts mounts, with the recorded words in the recorded order', () => {
    // Ports and uuids are of the run; node runs the program's file under its name.
    const words = (text: string): string[] => text.split('\n')
      .map((line) => line.replace(/^(?:\/usr\/sbin\/)?(gluster(?:fs|fsd|d))(?: .*?main\.js)?(?= |$)/, '$1').replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UUID').replace(/((?:--brick-port |listen-port=))\d+/g, '$1PORT'))
      .filter((line) => /^(glusterfsd .*--brick-name \/d\/(d1|e1|e3) |glusterfs .*--process-name fuse |glusterd$)/.test(line))
      .sort();
    expect(words(result('ps-all').stdout)).toEqual(words(recorded('ps-all').stdout));
    expect(words(host.read('run/o/ps-mount.out')).filter((line) => line.startsWith('glusterfs '))).toEqual(words(recorded('ps-mount').stdout));
  });

  test('a mount’s log begins with what was started, and as which process', () => {
    // The place in the source is the original's; the third line tells of its threads.
    const lines = (text: string): string[] => text.split('\n').slice(0, 2).map((line) => line.replace(/^\[[^\]]*\]/, '[TIME]').replace(/ \[[\w.-]+:\d+:\w+\]/, '').replace(/(?:\/usr\/sbin\/)?glusterfs(?=[:}, ])/g, 'glusterfs').replace(/is \d+/, 'is PID').trimEnd());
    expect(lines(host.read('run/o/mount-log.out'))).toEqual(lines(recorded('mount-log').stdout));
  });
});
