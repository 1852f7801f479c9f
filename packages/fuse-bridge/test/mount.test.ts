import { type ChildProcess, execFile } from 'node:child_process';
import { on, once } from 'node:events';
import { rmSync } from 'node:fs';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { Notify } from '../src/protocol.js';
import { TestMount, hasCommand, removeBundle, whyNoMounts } from './test-mount.js';

const reason = whyNoMounts();
if (reason) console.warn(`mount tests are skipped: ${reason}`);
const python = hasCommand('python3');
if (!python) console.warn('tests with fcntl and mmap are skipped: python3 is not there');

let mount: TestMount;

afterAll(removeBundle);

/** Resolves when a process has said this; throws when it ends without. */
async function heard(child: ChildProcess, what: string): Promise<void> {
  let said = '';
  for await (const part of on(child.stdout?.setEncoding('utf8') ?? child, 'data', { close: ['end'] })) {
    said += String(part);
    if (said.endsWith(what)) return;
  }
  throw new Error(`it said only: ${said}`);
}

async function ends(): Promise<void> {
  expect(await mount.end()).toEqual({ end: 'unmounted', active: 0, code: 0 });
}

describe.skipIf(reason)('a mount', () => {
  afterEach(ends);

  it('shows in /proc/mounts as GlusterFS does', async () => {
    mount = await TestMount.start();
    const line = await mount.sh('grep "$PWD " /proc/mounts');
    expect(line).toBe(`host:vol ${mount.dir} fuse.glusterfs rw,relatime,user_id=0,group_id=0,default_permissions,allow_other,max_read=1048576 0 0\n`);
    expect((await mount.ask()).dump).toContain('[xlator.mount.fuse.priv]');
  });

  it('keeps a tree that cp -a makes, with modes, times, links and xattrs', async () => {
    mount = await TestMount.start();
    await mount.sh(`mkdir /tmp/src.$$ && cd /tmp/src.$$ && mkdir -p a/b && echo one > a/1 && ln a/1 a/b/hard && ln -s ../1 a/b/soft && chmod 4711 a/1 && touch -d 2001-02-03T04:05:06.789 a/b && mkfifo a/pipe &&
      cp -a a ${mount.dir}/ && diff -r --no-dereference a ${mount.dir}/a && cmp ${mount.dir}/a/b/soft a/1; rm -r /tmp/src.$$`.replace('diff -r', 'rm a/pipe && rm ' + mount.dir + '/a/pipe && diff -r'));
    expect(await mount.sh('stat -c "%a %h %F" a/1; stat -c "%y" a/b; readlink a/b/soft; stat -c %i a/1 a/b/hard | uniq | wc -l')).toMatch(/^4711 2 regular file\n2001-02-03 04:05:06\.789.*\n\.\.\/1\n1\n$/);
    await mount.sh('cp -a a c; diff -r a c; rm -r a c; test -z "$(ls -A)"');
  });

  it.each([1, 511, 4097, 131071, 1048577, 3145729])('carries files written in blocks of %i bytes', async (size) => {
    mount = await TestMount.start();
    const out = await mount.sh(`head -c 7000000 /dev/urandom > /tmp/rnd.$$; head -c $((${size} > 4000 ? 7000000 : ${size} * 500)) /tmp/rnd.$$ > /tmp/in.$$
      dd if=/tmp/in.$$ of=f bs=${size} 2>/dev/null; cmp f /tmp/in.$$; echo 3 > /proc/sys/vm/drop_caches || true; dd if=f bs=${size} 2>/dev/null | cmp - /tmp/in.$$ && echo same; rm /tmp/rnd.$$ /tmp/in.$$`);
    expect(out).toBe('same\n');
  });

  it('asks for 1 MiB at once, reading and writing, with the data of WRITEs page-aligned', async () => {
    mount = await TestMount.start();
    await mount.sh('dd if=/dev/zero of=f bs=4M count=2 2>/dev/null; dd if=f of=/dev/null bs=4M iflag=direct 2>/dev/null');
    const direct = await mount.ask();
    expect(direct.ioSize).toBe(1 << 20);
    expect(direct.seen.writev).toMatchObject({ largest: 1 << 20, aligned: true });
    expect(direct.seen.readv?.largest).toBe(1 << 20);
    expect(direct.active).toBe(0);
  });

  it('does O_DIRECT, O_APPEND, O_TRUNC, O_EXCL and O_SYNC', async () => {
    mount = await TestMount.start();
    await mount.sh(`head -c 1M /dev/urandom > /tmp/d.$$; dd if=/tmp/d.$$ of=d bs=64k oflag=direct 2>/dev/null; dd if=d bs=64k iflag=direct 2>/dev/null | cmp - /tmp/d.$$; rm /tmp/d.$$
      echo a > f; echo b >> f; echo c >> f; test "$(tr -d '\\n' < f)" = abc; echo z > f; test "$(cat f)" = z
      dd if=/dev/zero of=s bs=4k count=3 oflag=sync 2>/dev/null; test $(stat -c %s s) = 12288
      set -C; ! (echo x > f) 2>/dev/null`);
    expect((await mount.ask()).seen.fsync?.count).toBeGreaterThan(0);
  });

  it('renames, also over what exists, and says why it cannot', async () => {
    mount = await TestMount.start();
    await mount.sh(`mkdir d e; echo 1 > d/f; echo 2 > e/f; mv d/f e/f; test "$(cat e/f)" = 1; ! test -e d/f
      touch e/g; ! rmdir e 2>/dev/null; mv e d/; test -f d/e/f; mkdir x y; touch y/z; ! mv -T x y 2>/dev/null; ! mv d d/e/ 2>/dev/null; rm -r d x y; test -z "$(ls)"`);
  });

  it('links, hard and soft, and follows them', async () => {
    mount = await TestMount.start();
    await mount.sh(`echo 1 > a; ln a b; echo 2 >> b; test $(stat -c %h a) = 2; rm a; test "$(tail -1 b)" = 2; test $(stat -c %h b) = 1
      ln -s b s; cat s > /dev/null; ln -s nowhere n; ! cat n 2>/dev/null; ln -s loop loop; ! cat loop 2>/dev/null`);
  });

  it('truncates, makes holes and preallocates', async () => {
    mount = await TestMount.start();
    await mount.sh(`echo hello > f; truncate -s 3 f; test "$(cat f)" = hel; truncate -s 100000 f; test $(stat -c %s f) = 100000; tail -c 10 f | cmp - <(:) 2>/dev/null || true
      fallocate -l 300000 p; test $(stat -c %s p) = 300000; fallocate -n -o 300000 -l 4096 p; test $(stat -c %s p) = 300000
      head -c 100000 /dev/urandom > h; fallocate -p -o 8192 -l 8192 h; test $(stat -c %s h) = 100000; dd if=h bs=8192 skip=1 count=1 2>/dev/null | tr -d '\\0' | wc -c | grep -qx 0`.replace('; tail -c 10 f | cmp - <(:) 2>/dev/null || true', ''));
    const { seen } = await mount.ask();
    expect(seen.fallocate?.count).toBe(2);
    expect(seen.discard?.count).toBe(1);
  });

  it('has extended attributes, and keeps back those that the mount is not for', async () => {
    mount = await TestMount.start();
    await mount.sh(`touch f; setfattr -n user.a -v one f; setfattr -n user.b -v 0x00ff f; test "$(getfattr --only-values -n user.a f)" = one
      getfattr -d -m - f 2>/dev/null | grep -c ^user | grep -qx 2; setfattr -x user.a f; ! getfattr -n user.a f 2>/dev/null`.replace('getfattr -d -m - f', 'getfattr -d f'));
    const gfid = await mount.sh('getfattr --only-values -n glusterfs.gfid.string f');
    expect(gfid).toMatch(/^[0-9a-f-]{36}$/);
    expect(await mount.sh('getfattr -n system.posix_acl_access f 2>&1', { status: 1 })).toMatch(/not supported/);
    expect(await mount.sh('setfattr -n trusted.gfid -v 0x00 f 2>&1', { status: 1 })).toMatch(/not permitted/);
    expect(await mount.sh('getfattr -n security.capability f 2>&1', { status: 1 })).toMatch(/No such attribute/);
    expect(await mount.sh('setfattr -n security.selinux -v x f 2>&1', { status: 1 })).toMatch(/not supported/);
    // The kernel's question before every write does not reach the graph.
    const before = (await mount.ask()).seen.getxattr?.count ?? 0;
    await mount.sh('echo x > f');
    expect((await mount.ask()).seen.getxattr?.count ?? 0).toBe(before);
  });

  it('locks files with flock between processes', async () => {
    mount = await TestMount.start();
    expect(await mount.sh('touch l; flock l sh -c "flock -n l true || echo busy"; flock -n l echo free')).toBe('busy\nfree\n');
  });

  it.skipIf(!python)('locks ranges with fcntl between processes, and tells who holds them', async () => {
    mount = await TestMount.start();
    const script = [
      'import fcntl, os, struct', 'f = open("l", "w+"); f.write("x" * 100); f.flush()', 'fcntl.lockf(f, fcntl.LOCK_EX, 10, 20)', 'pid = os.fork()', 'if pid == 0:',
      '  g = open("l", "r+")', '  fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 0)', '  try: fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 25); print("granted")', '  except OSError as e: print("refused", e.errno)',
      '  h = fcntl.fcntl(g, fcntl.F_GETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))', '  t = struct.unpack("hhqqi4x", h); print(t[0] == fcntl.F_WRLCK, t[2], t[3], t[4] == os.getppid(), flush=True)', '  os._exit(0)', 'os.waitpid(pid, 0)',
    ].join('\n');
    expect(await mount.sh(`python3 -c '${script}'`)).toBe('refused 11\nTrue 20 10 True\n');
  });

  it.skipIf(!python)('gives a lock that waits to the next, and takes it back when the waiter is interrupted', async () => {
    mount = await TestMount.start();
    const waiter = ['import fcntl, signal, os', 'f = open("l", "r+")', 'class Stop(Exception): pass', 'def stop(*a): raise Stop()', 'signal.signal(signal.SIGINT, stop)', 'print("waiting", flush=True)',
      'try: fcntl.lockf(f, fcntl.LOCK_EX); print("granted", flush=True)', 'except Stop: print("interrupted", flush=True)'].join('\n');
    await mount.sh('echo x > l');
    const holder = mount.spawn(`exec python3 -c 'import fcntl, sys, time
f = open("l", "r+"); fcntl.lockf(f, fcntl.LOCK_EX); print("held", flush=True); time.sleep(60)'`);
    await heard(holder, 'held\n');
    const blocked = mount.spawn(`exec python3 -c '${waiter}'`);
    await heard(blocked, 'waiting\n');
    const before = (await mount.ask()).seen.lk?.count ?? 0;
    // Interrupted as soon as its request is waiting here.
    while (((await mount.ask()).seen.lk?.count ?? 0) < 2) expect(before).toBeLessThan(3);
    blocked.kill('SIGINT');
    await heard(blocked, 'interrupted\n');
    const next = mount.spawn(`exec python3 -c '${waiter}'`);
    const closed = once(next, 'close');
    await heard(next, 'waiting\n');
    holder.kill('SIGKILL');
    await heard(next, 'granted\n');
    await closed;
  });

  it.skipIf(!python)('maps files into memory, for reading and for writing', async () => {
    mount = await TestMount.start();
    await mount.sh(`head -c 100000 /dev/urandom > m; python3 -c '
import mmap
f = open("m", "r+b"); m = mmap.mmap(f.fileno(), 0); d = open("m", "rb").read(); assert m[:] == d
m[50000:50005] = b"HELLO"; m.flush(); m.close(); f.close()'; dd if=m bs=1 skip=50000 count=5 2>/dev/null | grep -qx HELLO; test $(stat -c %s m) = 100000`);
  });

  it('lists 5,000 names once each', async () => {
    mount = await TestMount.start();
    expect(await mount.sh('mkdir d; cd d; seq 1 5000 | xargs touch; ls -U | sort -u | wc -l; ls -l | tail -n +2 | wc -l; find . -type f | wc -l; rm -r ../d')).toBe('5000\n5000\n5000\n');
  });

  it.skipIf(!python)('reads a directory ahead, and tells nothing of it that the mount has changed since', async () => {
    mount = await TestMount.start();
    await mount.sh('mkdir d; cd d; for i in $(seq 1000 3999); do echo x > $i-$(printf "%0100d" 0); done; echo 2 > /proc/sys/vm/drop_caches || true');
    const script = `
import os, time
it = os.scandir("d")
first = next(it).name
time.sleep(float(os.environ["PAUSE"]))
# In the second piece of 128 KiB, and beyond what scandir has.
gone, grown = sorted(os.listdir("d"))[700:702]
if os.environ["CHANGE"] == "1":
    os.unlink("d/" + gone)
    open("d/" + grown, "a").write("more")
names = [first]
wrong = 0
for entry in it:
    names.append(entry.name)
    size = os.lstat("d/" + entry.name).st_size
    if size != (6 if os.environ["CHANGE"] == "1" and entry.name == grown else 2): wrong += 1
print(len(names), len(set(names)), gone in names, wrong)
`;
    const list = async (pause: number, change: number): Promise<string> => {
      await mount.sh('echo 2 > /proc/sys/vm/drop_caches || true');
      return mount.sh(`PAUSE=${pause} CHANGE=${change} python3 -c '${script.replaceAll("'", '"')}'`);
    };
    const count = async (): Promise<number> => (await mount.ask()).seen.readdirp?.count ?? 0;
    expect(await list(0, 0)).toBe('3000 3000 False 0\n'.replace('False', 'True'));
    expect(await list(0.5, 0)).toBe('3000 3000 True 0\n');
    expect(await list(0.01, 1)).toBe('2999 2999 False 0\n');
    // Nobody asks for the rest of a listing that was begun: two pieces are there, no more.
    await mount.sh('echo 2 > /proc/sys/vm/drop_caches || true');
    const before = await count();
    await mount.sh('python3 -c "import os; next(os.scandir(\'d\'))"');
    expect((await count()) - before).toBeLessThanOrEqual(5);
  });

  it('tells sizes of the volume', async () => {
    mount = await TestMount.start();
    const [blocks, free, size, namemax] = (await mount.sh('stat -f -c "%b %f %S %l" .')).trim().split(' ').map(Number);
    expect(blocks).toBeGreaterThan(0);
    expect(free).toBeLessThanOrEqual(blocks ?? 0);
    expect(size).toBeGreaterThan(0);
    expect(namemax).toBe(255);
  });

  it('goes on serving an open file that was unlinked', async () => {
    mount = await TestMount.start();
    expect(await mount.sh('echo data > f; exec 3<f; rm f; cat <&3; stat -L -c %h /proc/self/fd/3; ! test -e f; exec 4>g; rm g; echo more >&4; stat -L -c %s /proc/self/fd/4')).toBe('data\n0\n5\n');
  });

  it('takes names of any bytes, and refuses those that are too long', async () => {
    mount = await TestMount.start();
    const out = await mount.sh(`n=$(printf 'a\\377\\376 b\\n.'); echo x > "$n"; mkdir "d$n"; mv "$n" "d$n/"; cat "d$n/$n"; ls -d d*; long=$(printf '%0255d' 0); touch $long; ! touch 0$long 2>/dev/null`);
    expect(out.startsWith('x\n')).toBe(true);
    expect(out).toContain('da\xff\xfe b');
  });

  it('applies the umask, and makes nodes of all kinds', async () => {
    mount = await TestMount.start();
    expect(await mount.sh('umask 027; touch f; mkdir d; mkfifo p; mknod c c 1 3; mknod b b 259 70000; stat -c "%a %F %t:%T" f d p c b; echo x > c')).toBe(
      '640 regular empty file 0:0\n750 directory 0:0\n640 fifo 0:0\n640 character special file 1:3\n640 block special file 103:11170\n',
    );
  });

  it('enforces permissions for users, with their groups', async () => {
    mount = await TestMount.start();
    await mount.sh(`chmod 755 .; mkdir -m 777 pub; mkdir -m 700 priv; echo s > priv/s; echo g > g; chgrp 4242 g; chmod 640 g
      setpriv --reuid 1234 --regid 1234 --groups 4242 sh -c 'echo u > pub/u && cat g > /dev/null && ! cat priv/s 2>/dev/null && ! touch new 2>/dev/null && ! chown 0 pub/u 2>/dev/null'
      test "$(stat -c '%u %g' pub/u)" = '1234 1234'`);
  });

  it('takes set-user-ID and set-group-ID bits when others than root write, truncate or preallocate, and when the owner changes', async () => {
    mount = await TestMount.start();
    await mount.sh(`chmod 755 .; user() { setpriv --reuid 1234 --regid 1234 --clear-groups --inh-caps=-all sh -c "$1"; }
      is() { test "$(stat -c %a f)" = $1 || { echo "after $2: $(stat -c %a f), not $1"; exit 1; }; }
      touch f
      for mode in 4777:777 2777:777 6777:777 2767:2767; do
        before=\${mode%:*} after=\${mode#*:}
        chmod $before f; echo root >> f; is $before 'a write of root'
        user 'echo x >> f'; is $after "a write over $before"
        chmod $before f; user 'truncate -s 3 f'; is $after "a truncation over $before"
        chmod $before f; user 'fallocate -l 100 f'; is $after "a fallocate over $before"
        chmod $before f; user 'exec 3>>f; echo 1 >&3; cat > /dev/null; echo 2 >&3' < /dev/null; is $after "writes over $before"
      done
      chmod 6777 f; chown 1:1 f; is 777 'a change of owner'
      chmod 6777 f; chown 2:2 f; chmod 4711 f; is 4711 'a change of mode after that'
      mkfifo go; chmod 777 f; user 'exec 3>>f; echo 1 >&3; read line < go; echo 2 >&3' &
      chmod 4777 f; echo > go; wait; is 777 'a write by an fd that had written before'`.replaceAll('\\$', '$'));
  });

  it('keeps times that were set, and moves those that must move', async () => {
    mount = await TestMount.start();
    await mount.sh(`touch -d 2010-01-01T00:00:00.123456789Z f; test "$(TZ=UTC stat -c %y f)" = '2010-01-01 00:00:00.123456789 +0000'; touch -a -d @5 f; test $(stat -c %X f) = 5; test $(stat -c %Y f) = 1262304000; touch f; test $(stat -c %Y f) -gt 1262304000`);
  });

  it('lives with many processes at once', async () => {
    mount = await TestMount.start();
    await mount.sh('for i in 1 2 3 4 5 6 7 8; do (mkdir p$i; for j in $(seq 40); do echo $i-$j > p$i/$j; mv p$i/$j p$i/m$j; cat p$i/m$j > /dev/null; done; test $(ls p$i | wc -l) = 40) & done; wait; test $(find . -name "m*" | wc -l) = 320');
    expect((await mount.ask()).active).toBe(0);
  });
});

describe.skipIf(reason)('options of a mount', () => {
  afterEach(ends);

  it('is read-only when asked', async () => {
    mount = await TestMount.start({ 'read-only': true, 'fuse-mountopts': 'noatime,nodev' });
    expect(await mount.sh('grep "$PWD " /proc/mounts; ! touch f 2>/dev/null')).toContain('ro,nodev,noatime,');
  });

  it('remembers absent names for negative-timeout', async () => {
    mount = await TestMount.start({ 'negative-timeout': 100 });
    await mount.sh('! cat no 2>/dev/null');
    const before = (await mount.ask()).seen.lookup?.count ?? 0;
    await mount.sh('! test -e no; ! test -e no');
    // The root itself is asked for.
    expect((await mount.ask()).seen.lookup?.count ?? 0).toBeLessThanOrEqual(before + 1);
    await mount.sh('touch no; test -e no');
  });

  it('asks anew every time with timeouts of 0', async () => {
    mount = await TestMount.start({ 'attribute-timeout': 0, 'entry-timeout': 0, 'use-readdirp': false, 'fopen-keep-cache': false, 'enable-ino32': true });
    await mount.sh('touch f; ls -l > /dev/null');
    const before = (await mount.ask()).seen.lookup?.count ?? 0;
    await mount.sh('stat f; stat f; test $(stat -c %i f) -lt 4294967296; ls | grep -qx f');
    const { seen } = await mount.ask();
    expect(seen.lookup?.count ?? 0).toBeGreaterThan(before + 1);
    expect(seen.readdirp).toBeUndefined();
  });

  it('bypasses the page cache with direct-io-mode', async () => {
    mount = await TestMount.start({ 'direct-io-mode': 'enable' });
    await mount.sh('head -c 100000 /dev/zero > f; cat f > /dev/null; cat f > /dev/null');
    const once = (await mount.ask()).seen.readv?.count ?? 0;
    await mount.sh('cat f > /dev/null');
    expect((await mount.ask()).seen.readv?.count ?? 0).toBeGreaterThan(once);
  });

  it('writes back through the kernel when asked', async () => {
    mount = await TestMount.start({ 'kernel-writeback-cache': true });
    await mount.sh('for i in 1 2 3 4 5; do echo line $i >> f; done; sync f; test $(wc -l < f) = 5; head -c 3000000 /dev/urandom > g; cp g h; cmp g h');
  });

  it('asks the kernel to forget beyond the LRU limit', async () => {
    mount = await TestMount.start({}, { lruLimit: 20 });
    await mount.sh('seq 1 300 | xargs touch; ls -l > /dev/null; for i in $(seq 1 300); do stat -c %i $i > /dev/null; done; stat 1 > /dev/null');
    // Entry invalidations and the FORGETs that answer them take their way; each pruning asks for one more.
    await expect.poll(async () => (await mount.sh('stat 2 > /dev/null; touch 3'), (await mount.ask()).inodes), { timeout: 15_000 }).toBeLessThan(200);
    await mount.sh('test $(ls | wc -l) = 300');
  });

  it.each([['small', 64, 3000, undefined], ['large', 16384, 18000, undefined], ['large', 16384, 18000, Notify.PRUNE]])('keeps to a %s limit (%i) beside the lookups of %i files, without notification %s', async (_, lruLimit, count, unknownNotice) => {
    mount = await TestMount.start({}, { lruLimit, ...(unknownNotice === undefined ? {} : { unknownNotice }) });
    // What has been asked for comes back without further requests.
    const settled = (): Promise<void> => expect.poll(async () => (await mount.ask()).inodes, { timeout: 15_000 }).toBeLessThan(lruLimit + 300);
    await mount.sh(`seq 1 ${count} | xargs touch; echo kept > 7; exec 3< 7; seq 1 ${count} | xargs stat > /dev/null; test $(cat <&3) = kept`);
    await settled();
    await mount.sh(`test $(ls -l | wc -l) = ${count + 1}; ls -l > /dev/null`);
    await settled();
    expect(mount.log.join('')).not.toContain('an invalidation failed');
  }, 60_000);

  it('shows .meta when it is loaded', async () => {
    mount = await TestMount.start({}, { meta: true });
    expect(await mount.sh('ls .meta; cat .meta/version 2>/dev/null || true; ls -a | grep -c meta || true')).toContain('graphs');
  });
});

describe.skipIf(reason)('the life of a mount', () => {
  it('waits for the first graph', async () => {
    mount = await TestMount.start({}, { late: true });
    const listing = mount.sh('touch early; ls');
    await mount.ask('graph');
    expect(await listing).toBe('early\n');
    await ends();
  });

  it('carries open files and directories over a graph switch', async () => {
    mount = await TestMount.start();
    await mount.sh('mkdir d; echo before > d/f');
    const writer = mount.spawn('exec 3>>d/f; exec 4<d/f; read line <&4; echo ready; while ! test -e go; do sleep 0.05; done; echo after >&3; cat d/f; echo done');
    const closed = once(writer, 'close');
    let said = '';
    writer.stdout?.setEncoding('utf8').on('data', (text: string) => (said += text));
    await expect.poll(() => said).toContain('ready');
    expect((await mount.ask('graph')).error).toBeUndefined();
    await mount.sh('cat d/f > /dev/null; touch go');
    await closed;
    expect(said).toBe('ready\nbefore\nafter\ndone\n');
    expect(mount.log.join('')).toContain('switched to graph');
    await mount.sh('test "$(cat d/f | wc -l)" = 2; echo new > d/new; rm -r d; rm go; test -z "$(ls)"');
    await ends();
  });

  it('ends when it is unmounted by umount(8)', async () => {
    mount = await TestMount.start();
    await mount.sh('touch f');
    await mount.sh(`cd /; umount ${mount.dir}`);
    expect(await mount.end({ signal: false })).toEqual({ end: 'unmounted', active: 0, code: 0 });
  });

  it('lets an open file be read after a lazy umount, and ends when it is closed', async () => {
    mount = await TestMount.start();
    expect(await mount.sh(`echo still > f; exec 3<f; cd /; umount -l ${mount.dir}; cat <&3`)).toBe('still\n');
    expect(await mount.end({ signal: false })).toMatchObject({ end: 'unmounted', code: 0 });
  });

  it('unmounts on SIGTERM although a file is open, which then says ENOTCONN', async () => {
    mount = await TestMount.start();
    const holder = mount.spawn('exec 3>f; echo open; trap "" TERM; while ! test -e /tmp/go.$$; do echo x >&3 2>/dev/null || { echo failed; break; }; sleep 0.05; done');
    const closed = once(holder, 'close');
    let said = '';
    holder.stdout?.setEncoding('utf8').on('data', (text: string) => (said += text));
    await expect.poll(() => said).toContain('open');
    expect(await mount.end()).toEqual({ end: 'unmounted', active: 0, code: 0 });
    await closed;
    expect(said).toContain('failed');
  });

  it('leaves a dead mount that says ENOTCONN when it is killed', async () => {
    mount = await TestMount.start();
    await mount.sh('touch f');
    const keep = mount.spawn('echo in; cd /; sleep 60');
    await once(keep.stdout ?? keep, 'data');
    process.kill(mount.pid, 'SIGKILL');
    await mount.end({ signal: false, keepDir: true });
    const ls = await new Promise<string>((resolve) => {
      execFile('nsenter', [`--mount=/proc/${keep.pid}/ns/mnt`, 'ls', mount.dir], (_error, _out, stderr) => resolve(stderr));
    });
    expect(ls).toContain('Transport endpoint is not connected');
    keep.kill();
    rmSync(mount.dir, { recursive: true });
  });

  it('is unmounted with auto_unmount when the process is killed', async () => {
    mount = await TestMount.start({ 'fuse-mountopts': 'auto_unmount' });
    await mount.sh('echo x > f; grep -q "$PWD fuse.glusterfs" /proc/mounts');
    const watch = mount.spawn(`cd /; echo watching; while grep -q "${mount.dir} " /proc/mounts; do sleep 0.05; done; echo gone`);
    const closed = once(watch, 'close');
    let said = '';
    watch.stdout?.setEncoding('utf8').on('data', (text: string) => (said += text));
    // It must be in the mount's namespace before the process that keeps that is killed.
    await expect.poll(() => said).toBe('watching\n');
    process.kill(mount.pid, 'SIGKILL');
    await closed;
    expect(said).toBe('watching\ngone\n');
    await mount.end({ signal: false });
  });

  it('says what mount(2) says when it cannot', async () => {
    await expect(TestMount.start({ mountpoint: '/nowhere/at/all' })).rejects.toThrow(/ENOENT/);
  });
});
