import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { negotiate } from '../src/init.js';
import { mountCall, mountData, mountDevice } from '../src/mount-point.js';
import { type FuseOptions, fuseOptions } from '../src/options.js';
import { InitFlag } from '../src/protocol.js';

/** What 10.3 said to each option, and the line in /proc/mounts (vectors/client/README.md). */
const vectors = readFileSync(new URL('vectors/fuse-init-variants.txt', import.meta.url), 'latin1');

interface Variant {
  readonly name: string;
  readonly mounts: string;
  readonly kernel: Record<string, number>;
  readonly reply: Record<string, number>;
}

function numbers(line: string): Record<string, number> {
  return Object.fromEntries([...line.matchAll(/(\w+)=(\w+)/g)].map(([, key, value]) => [key, Number(value)]));
}

const variants: Variant[] = [];
for (const [, name, mounts, kernel, reply] of vectors.matchAll(/^(\w+) rc=.*\n(.* \/mnt\/i .*)\n-> INIT (.*)\n<- INIT (.*)$/gm)) {
  variants.push({ name: name ?? '', mounts: mounts ?? '', kernel: numbers(kernel ?? ''), reply: numbers(reply ?? '') });
}

const OPTIONS: Readonly<Record<string, Partial<FuseOptions>>> = {
  default: {}, acl: { acl: true }, wb: { 'kernel-writeback-cache': true, 'attr-times-granularity': 1000 }, keep: { 'fopen-keep-cache': true }, keepno: { 'fopen-keep-cache': false },
  noauto: { 'auto-invalidation': false }, nordp: { 'use-readdirp': false }, q: { 'background-qlen': 128 }, ro: { 'read-only': true }, selinux: { selinux: true }, capab: { capability: true },
  mopts: { 'fuse-mountopts': 'noatime,nodev' }, ino32: { 'enable-ino32': true }, worm: {}, auto: { 'fuse-mountopts': 'auto_unmount' }, dio: { 'direct-io-mode': 'enable' }, disp: { fsname: 'foo:/bar' },
};
const OURS = InitFlag.MAX_PAGES | InitFlag.PARALLEL_DIROPS | InitFlag.HANDLE_KILLPRIV_V2;

describe('INIT and mount(2)', () => {
  it('know the variants of the vectors', () => {
    expect(variants.length).toBeGreaterThan(14);
  });

  it.each(variants.filter(({ name }) => name in OPTIONS).map((variant) => [variant.name, variant] as const))('agree with 10.3 for "%s", but for 1 MiB, parallel directory operations, and who takes set-user-ID bits', (name, { kernel, reply, mounts }) => {
    const options = fuseOptions({ mountpoint: '/mnt/i', fsname: 'clta:v', ...OPTIONS[name] });
    const { flags, reply: bytes } = negotiate(options, { minor: kernel.minor ?? 0, max_readahead: kernel.max_readahead ?? 0, flags: kernel.flags ?? 0 });
    expect(flags & ~OURS).toBe(reply.flags);
    expect(flags & OURS).toBe(OURS);
    expect(bytes.length).toBe(reply.len);
    expect(bytes.readUInt32LE(0)).toBe(7);
    expect(bytes.readUInt32LE(4)).toBe(31);
    expect(bytes.readUInt16LE(16)).toBe(reply.max_background);
    expect(bytes.readUInt16LE(18)).toBe(reply.congestion_threshold);
    expect(bytes.readUInt32LE(20)).toBe(1 << 20);
    expect(bytes.readUInt32LE(24)).toBe(reply.time_gran);
    expect(bytes.readUInt16LE(28)).toBe(256);

    const call = mountCall(options);
    const [source, , , words] = mounts.split(' ');
    expect(call.source).toBe(source);
    expect(call.flags & 1).toBe(words?.startsWith('ro') ? 1 : 0);
    expect(call.data.includes('default_permissions')).toBe(words?.includes('default_permissions'));
    expect(call.flags & 1024).toBe(words?.includes('noatime') ? 1024 : 0);
    expect(call.flags & 4).toBe(words?.includes('nodev') ? 4 : 0);
    expect(call.data).not.toContain('auto_unmount');
  });

  it('put the words of mount(2) in GlusterFS’s order', () => {
    expect(mountData(mountCall(fuseOptions({ mountpoint: '/m', fsname: 'clta:v', 'max-io-size': 131072 })), 7, 0, 0)).toBe(
      'default_permissions,allow_other,max_read=131072,fd=7,rootmode=40000,user_id=0,group_id=0',
    );
  });

  it('ask no more of a kernel than it offers', () => {
    const options = fuseOptions({ mountpoint: '/m' });
    const old = negotiate(options, { minor: 22, max_readahead: 131072, flags: 0x20 });
    expect(old.reply.length).toBe(24);
    expect(old.ioSize).toBe(131072);
    expect(old.flags).toBe(0x463);
    expect(negotiate(options, { minor: 28, max_readahead: 131072, flags: 0 }).directIo).toBe(true);
    expect(negotiate(fuseOptions({ mountpoint: '/m', 'auto-invalidation': true }), { minor: 45, max_readahead: 131072, flags: 0x73fffffb }).flags & ~OURS).toBe(0xb463);
  });

  it('refuse options out of range', () => {
    expect(() => fuseOptions({ mountpoint: 'relative' })).toThrow(RangeError);
    expect(() => fuseOptions({ mountpoint: '/m', 'max-io-size': 5000 })).toThrow(RangeError);
    expect(() => fuseOptions({ mountpoint: '/m', 'background-qlen': 5 })).toThrow(RangeError);
    expect(() => fuseOptions({ mountpoint: '/m', 'entry-timeout': -1 })).toThrow(RangeError);
  });

  it('find the device of the last mount on a path', () => {
    const text = '31 1 0:5 / /mnt/a\\040b rw - fuse x rw\n32 1 0:6 / /mnt/a\\040b rw - fuse y rw\n33 1 0:7 / /mnt rw - ext4 z rw\n';
    expect(mountDevice(text, '/mnt/a b')).toBe('0:6');
    expect(mountDevice(text, '/nope')).toBeUndefined();
  });
});
