import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { loadNative, nativeAddonPath, portableForced } from '../src/platform/native.js';

const missing = portableForced() ? 'GLUSTERTS_PORTABLE=1' : nativeAddonPath() === undefined ? 'the native addon is not built' : undefined;
if (missing) console.warn(`tests of loading the addon skipped: ${missing}`);

describe.skipIf(missing !== undefined)('the native addon', () => {
  it('is taken by its exports', () => {
    expect(loadNative<{ EventPool: unknown }>('EventPool')).toBeDefined();
    expect(loadNative<{ nothing: unknown }>('nothing')).toBeUndefined();
  });

  it('of another version is refused in words that say what to do', () => {
    const { cache } = createRequire(import.meta.url);
    const file = nativeAddonPath() ?? '';
    const real = cache[file];
    const { dlopen } = process;
    delete cache[file];
    process.dlopen = (module: object) => void Object.assign(module, { exports: { abi: 1, EventPool: true } });
    try {
      expect(() => loadNative<{ EventPool: unknown }>('EventPool')).toThrow(/older or newer.*node tools\/build-native\.mjs/);
    } finally {
      process.dlopen = dlopen;
      delete cache[file];
      if (real) cache[file] = real;
    }
  });
});
