import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, program, whyNot } from '../src/cluster.ts';
import { forgettingText, inAnyOrder, parseDump } from '../src/fuse-trace/dump-file.ts';

/*
 * How `glusterfs` and its mounts end: vectors/process-exit-and-unmount.txt, taken on a host `clta` with a volume `v` of one brick.
 * Where it says "after 1 s" and the like, we wait until it is so: a busy machine takes longer.
 */

const reason = whyNot(false);
if (reason) console.warn(`exit statuses and the ends of mounts are skipped: ${reason}`);

/** `## title` to the lines below it. */
const SECTIONS = new Map(
  readFileSync(new URL('vectors/process-exit-and-unmount.txt', import.meta.url), 'utf8').split(/^## /m).slice(1)
    .map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1).trimEnd()] as const),
);

function recorded(title: string): string {
  const text = SECTIONS.get(title);
  if (text === undefined) throw new Error(`the vector has no ${title}`);
  return text.replace(/ after \d+ s:/, ':').replace(/^took 0 s, /m, '');
}

/**
 * Shell words: `mounts N /mnt/x` waits until it is mounted N times and says how often it is; `pid_of` finds the mount's process; `gone` waits for its end (nobody reaps it
 * here), `answers_not` for its device's: until that is closed, who asks is told ECONNABORTED.
 */
const WORDS = `
export LC_ALL=C
glusterfs() { ${program('ours', 'glusterfs')} "$@"; }
mounts() { for i in $(seq 600); do [ "$(grep -c " $2 " /proc/mounts)" = $1 ] && break; sleep 0.05; done; echo "mounted: $(grep -c " $2 " /proc/mounts)"; }
pid_of() { for p in $(pgrep -x glusterfs); do tr '\\0' '\\n' <"/proc/$p/cmdline" | grep -qx "$1" && echo $p; done; }
answers_not() { for i in $(seq 600); do ls "$1" 2>&1 | grep -q "Transport endpoint is not connected" && return 0; sleep 0.05; done; }
gone() { for i in $(seq 600); do [ -n "$(tr '\\0' x 2>/dev/null <"/proc/$1/cmdline")" ] || return 0; sleep 0.05; done; return 1; }
`;

describe.skipIf(reason !== undefined)('the ends of glusterfs', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start('ours', { name: 'clta' });
    cluster.host.sh(`${cluster.gluster} volume create v clta:/d/b1 force && ${cluster.gluster} volume start v`);
    cluster.host.sh('mkdir -p /mnt/q0 /mnt/q1 /mnt/q2 /mnt/q3 /mnt/q4 /mnt/q5 /mnt/q6');
  });
  afterAll(() => cluster.stop());

  const run = (script: string): string => cluster.host.sh(`exec 2>&1\n${WORDS}\n${script}\ntrue`).trimEnd();

  const statuses = [...recorded('exit status').matchAll(/^(?<said>(?:(?!glusterfs -).*\n)*)(?<command>glusterfs -.*): rc=(?<rc>\d+), mounted[^:]*: (?<mounted>\d)$/gm)].map(({ groups = {} }) => ({
    command: groups['command'] ?? '', said: groups['said'] ?? '', rc: Number(groups['rc']), mounted: Number(groups['mounted']),
  }));

  it('knows the commands of the vector', () => {
    expect(statuses.length).toBe(recorded('exit status').match(/rc=/g)?.length);
  });

  it.each(statuses)('$command ends with $rc', ({ command, said, rc, mounted }) => {
    // The recording has 0 for a mount point that is not there. 10.3 itself ends with 1: `glusterfs -s HOST --volfile-id v /nonexist; echo $?`.
    const status = command.endsWith(' /nonexist') ? 1 : rc;
    const point = command.split(' ').at(-1) ?? '';
    expect(run(`${command}; echo "rc=$?"; mounts ${mounted} ${point}`)).toBe(`${said}rc=${status}\nmounted: ${mounted}`);
  });

  it('SIGKILL leaves a mount that answers ENOTCONN, unless auto_unmount was asked for', () => {
    expect(run('glusterfs -s clta --volfile-id v --fuse-mountopts=auto_unmount /mnt/q1; echo "mount rc=$?"; kill -9 $(pid_of /mnt/q1); mounts 0 /mnt/q1')).toBe(recorded('SIGKILL with --fuse-mountopts=auto_unmount').replace('mounted after', 'mounted'));
    expect(run('glusterfs -s clta --volfile-id v /mnt/q2; echo "mount rc=$?"; kill -9 $(pid_of /mnt/q2); answers_not /mnt/q2; mounts 1 /mnt/q2; ls /mnt/q2; umount /mnt/q2')).toBe(recorded('SIGKILL without'));
  });

  it('SIGTERM takes the mount away', () => {
    expect(run('glusterfs -s clta --volfile-id v /mnt/q3; echo "mount rc=$?"; kill $(pid_of /mnt/q3); mounts 0 /mnt/q3')).toBe(recorded('SIGTERM'));
  });

  it('a file that is open keeps umount from it; after a lazy one it can be read, and the process ends when it is closed', () => {
    const script = `glusterfs -s clta --volfile-id v /mnt/q4; echo "mount rc=$?"; echo hi >/mnt/q4/h; exec 9</mnt/q4/h; p=$(pid_of /mnt/q4)
      umount /mnt/q4; echo "rc=$?"; umount -l /mnt/q4; cat <&9; echo "read through open fd rc=$?"; exec 9<&-; gone $p && echo "process gone after last close"`;
    expect(run(script)).toBe(recorded('umount while a file is open (EBUSY), then lazy'));
  });

  it('an LRU that is full makes the kernel forget the oldest, by their names', () => {
    const wanted = inAnyOrder(recorded('--lru-limit=3, 7 files created').split('\n'));
    const attempt = (): string[] => {
      // The recorded files lie in a folder: the parent of their names is N1.
      cluster.host.sh(`${WORDS}\nglusterfs -s clta --volfile-id v --lru-limit=3 --dump-fuse=/mnt/dump /mnt/q6 && mkdir /mnt/q6/d && for i in 1 2 3 4 5 6 7; do echo $i >/mnt/q6/d/f$i; done`);
      const dumped = (): string[] => inAnyOrder(forgettingText(parseDump(Buffer.from(cluster.host.sh('base64 -w0 /mnt/dump'), 'base64'))));
      for (let i = 0; i < 200 && dumped().length < wanted.length; i++) cluster.host.sh('sleep 0.1');
      const seen = dumped();
      cluster.host.sh('rm -r /mnt/q6/d; umount /mnt/q6');
      return seen;
    };
    let seen = attempt();
    // A kernel that is short of memory, or is told to drop its caches, forgets what nobody asked it to, the folder and the youngest files too: then once more.
    for (let i = 0; i < 5 && seen.some((line) => /^-> FORGET +node=N(1|[678]) /.test(line)); i++) seen = attempt();
    expect(seen).toEqual(wanted);
  });

  it('a volume whose only brick is down can be mounted, and answers ENOTCONN', () => {
    const script = 'kill -9 $(pgrep -f -- "--brick-nam[e] /d/b1"); glusterfs -s clta --volfile-id v /mnt/q5; echo "mount rc=$?"; mounts 1 /mnt/q5; ls /mnt/q5; echo "ls rc=$?"; umount /mnt/q5';
    expect(run(script).replace('mounted: 1', 'mounted 1')).toBe(recorded('mount with the only brick down'));
  });
});
