import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type SyscallsAddon, nativeStorage } from './native-storage.js';
import { type Storage, missingStorage } from './storage.js';

let storage: Storage | undefined;

/** The process's one storage: native when the addon has been built and GLUSTERTS_PORTABLE isn't 1, else {@link missingStorage}. */
export function localStorage(): Storage {
  return (storage ??= load());
}

function load(): Storage {
  if (process.env.GLUSTERTS_PORTABLE === '1') return missingStorage();
  const here = path.dirname(fileURLToPath(import.meta.url));
  // From src/platform and from dist alike.
  for (const up of ['../..', '..']) {
    const file = path.join(here, up, 'native/build/Release/glusterts_native.node');
    if (!existsSync(file)) continue;
    const addon: { syscalls?: SyscallsAddon } = createRequire(import.meta.url)(file);
    if (addon.syscalls) return nativeStorage(addon.syscalls);
  }
  return missingStorage();
}
