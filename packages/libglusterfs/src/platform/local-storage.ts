import { loadNative } from './native.js';
import { type SyscallsAddon, nativeStorage } from './native-storage.js';
import { type Storage, missingStorage } from './storage.js';

let storage: Storage | undefined;

/** The process's one storage: native when the addon is there, else {@link missingStorage}. */
export function localStorage(): Storage {
  if (storage) return storage;
  const addon = loadNative<{ syscalls: SyscallsAddon }>('syscalls');
  return (storage = addon ? nativeStorage(addon.syscalls) : missingStorage());
}
