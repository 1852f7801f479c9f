import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

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
 * `Addon`; the check is that the export is there.
 */
export function loadNative<Addon extends object>(exported: keyof Addon & string): Addon | undefined {
  const file = portableForced() ? undefined : nativeAddonPath();
  if (file === undefined) return undefined;
  const addon: Partial<Addon> = createRequire(import.meta.url)(file);
  return isComplete<Addon>(addon, exported) ? addon : undefined;
}

function isComplete<Addon extends object>(addon: Partial<Addon>, exported: keyof Addon & string): addon is Addon {
  return exported in addon;
}
