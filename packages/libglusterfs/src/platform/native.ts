import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** What addon.cc says of itself: raised with every change of what the addon exports or hands over. */
const ABI = 6;

/** Where the addon lies, if it has been built: beside `src/` and `dist/` of this package. */
export function nativeAddonPath(): string | undefined {
  const here = path.dirname(fileURLToPath(import.meta.url));
  return ['../..', '..'].map((up) => path.join(here, up, 'native/build/Release/glusterts_native.node')).find((file) => existsSync(file));
}

/** Whether the process must do without the addon. */
export function portableForced(): boolean {
  return process.env['GLUSTERTS_PORTABLE'] === '1';
}

/**
 * The addon's exports, or undefined where it isn't built or GLUSTERTS_PORTABLE=1. Each subject declares the part it uses as
 * `Addon`; the check is that the export is there. Throws when the addon belongs to another version of this package.
 */
export function loadNative<Addon extends object>(exported: keyof Addon & string): Addon | undefined {
  const file = portableForced() ? undefined : nativeAddonPath();
  if (file === undefined) return undefined;
  const addon: Partial<Addon> & { abi?: number } = createRequire(import.meta.url)(file);
  if (addon.abi !== ABI) throw new Error(`the native addon is older or newer than this package (it has version ${addon.abi ?? 0}, not ${ABI}): run \`node tools/build-native.mjs\`, or set GLUSTERTS_PORTABLE=1`);
  return isComplete<Addon>(addon, exported) ? addon : undefined;
}

function isComplete<Addon extends object>(addon: Partial<Addon>, exported: keyof Addon & string): addon is Addon {
  return exported in addon;
}
