/** glusterfs: a mount. */
import path from 'node:path';
import { type Arguments, type Mount, type ProcessHooks, runGlusterfs } from '@glusterts/daemon';
import { type DirectIoMode, FuseMount, type FuseMountInit } from '@glusterts/fuse-bridge';
import { type Logger, type Platform, parseBoolean, utf8 } from '@glusterts/libglusterfs';

/** An option that may stand alone (`--x`) or with a boolean (`--x=no`). */
function bool(args: Arguments, name: string, otherwise: boolean): boolean {
  const text = args.get(name);
  if (text === undefined) return otherwise;
  return text === '' ? true : (parseBoolean(text) ?? otherwise);
}

function directIoMode(args: Arguments): DirectIoMode {
  const text = args.get('direct-io-mode');
  if (text === undefined || text === 'auto') return 'auto';
  return text === '' || parseBoolean(text) === true ? 'enable' : 'disable';
}

/** What stands first in /proc/mounts (spec/client.md, §2.2). */
function fsname(args: Arguments): string {
  const named = args.get('fs-display-name') ?? `${args.get('volfile-server') ?? 'glusterfs'}:${args.get('volfile-id') ?? path.basename(args.get('volfile') ?? '')}`;
  return `${named}${args.get('subdir-mount') ?? ''}`;
}

function fuseOptions(args: Arguments, platform: Platform, log: Logger): FuseMountInit {
  const numbers = ['attribute-timeout', 'entry-timeout', 'negative-timeout', 'gid-timeout', 'background-qlen', 'congestion-threshold', 'attr-times-granularity', 'invalidate-limit', 'client-pid'] as const;
  const given: Partial<Record<(typeof numbers)[number], number>> = {};
  for (const name of numbers) {
    const value = args.number(name);
    if (value !== undefined) given[name] = value;
  }
  return {
    ...given,
    platform,
    log,
    mountpoint: utf8(path.resolve(args.mountpoint ?? '')),
    fsname: utf8(fsname(args)),
    'direct-io-mode': directIoMode(args),
    ...(args.has('fopen-keep-cache') ? { 'fopen-keep-cache': bool(args, 'fopen-keep-cache', true) } : {}),
    'auto-invalidation': bool(args, 'auto-invalidation', false),
    'use-readdirp': bool(args, 'use-readdirp', true),
    'kernel-writeback-cache': bool(args, 'kernel-writeback-cache', false),
    'enable-ino32': bool(args, 'enable-ino32', false),
    'read-only': args.has('read-only'),
    acl: args.has('acl'),
    selinux: args.has('selinux'),
    capability: args.has('capability'),
    'no-root-squash': bool(args, 'no-root-squash', false),
    'fuse-mountopts': args.get('fuse-mountopts') ?? '',
  };
}

const hooks: ProcessHooks = {
  mount: (args, platform, log): Mount => {
    const mount = FuseMount.mount(undefined, fuseOptions(args, platform, log));
    return {
      inodeTable: mount.inodeTable(args.number('lru-limit') ?? 65536),
      setGraph: (graph) => mount.setGraph(graph),
      done: mount.done.then(({ reason, detail }) => (detail === '' ? reason : `${reason}: ${detail}`)),
      unmount: () => mount.unmount(),
      dump: (writer) => mount.dump(writer),
    };
  },
};

await runGlusterfs('glusterfs', process.argv.slice(2), hooks);
