/** glusterfs: a mount. */
import path from 'node:path';
import { type Arguments, type Mount, type ProcessHooks, runGlusterfs } from '@glusterts/daemon';
import { type DirectIoMode, FuseMount, type FuseMountInit, rehearseMount } from '@glusterts/fuse-bridge';
import { type Logger, type Platform, utf8 } from '@glusterts/libglusterfs';

function directIoMode(args: Arguments): DirectIoMode {
  const text = args.get('direct-io-mode') ?? 'auto';
  return text === 'auto' ? text : args.boolean('direct-io-mode', false) ? 'enable' : 'disable';
}

/** What stands first in /proc/mounts (spec/client.md, §2.2). */
function fsname(args: Arguments): string {
  const named = args.get('fs-display-name') ?? `${args.all('volfile-server')[0] ?? 'glusterfs'}:${args.get('volfile-id') ?? path.basename(args.get('volfile') ?? '')}`;
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
    ...(args.has('fopen-keep-cache') ? { 'fopen-keep-cache': args.boolean('fopen-keep-cache', true) } : {}),
    'auto-invalidation': args.boolean('auto-invalidation', false),
    'use-readdirp': args.boolean('use-readdirp', true),
    'kernel-writeback-cache': args.boolean('kernel-writeback-cache', false),
    'enable-ino32': args.boolean('enable-ino32', false),
    'read-only': args.has('read-only'),
    acl: args.has('acl'),
    selinux: args.has('selinux'),
    capability: args.has('capability'),
    'no-root-squash': args.boolean('no-root-squash', false),
    ...(args.has('dump-fuse') ? { 'dump-fuse': utf8(path.resolve(args.get('dump-fuse') ?? '')) } : {}),
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
      root: mount.root,
      rehearse: (graph, { world, ...play }) => rehearseMount(graph, { platform: world.platform, options: mount.options, log: world.log, pass: (ms) => world.pass(ms), ...play }),
    };
  },
};

await runGlusterfs('glusterfs', process.argv.slice(2), hooks);
