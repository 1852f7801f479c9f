import { readFileSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

type Load = () => Promise<unknown>;

export interface InstalledPackages {
  /** Something that imports the module which implements a type. */
  find(type: string): Promise<Load | undefined>;
}

interface Manifest {
  readonly name?: unknown;
  readonly glusterts?: { readonly xlators?: Readonly<Record<string, unknown>> };
}

/**
 * Packages that declare xlators (`"glusterts": {"xlators": {type: export subpath}}`): the @glusterts scope first, since it is
 * almost always there, then --xlator-path, then all that are installed.
 */
export function scanInstalled(options: { readonly from?: readonly string[]; readonly xlatorPath?: readonly string[] }): InstalledPackages {
  const own = path.dirname(fileURLToPath(import.meta.url));
  const starts = options.from ?? [own, process.cwd()];
  const folders = [...new Set(starts.flatMap((start) => nodeModulesAbove(start)))];
  let scoped: Map<string, Load> | undefined;
  let others: Map<string, Load> | undefined;
  return {
    find: async (type) => {
      scoped ??= declared(folders.flatMap((folder) => packagesIn(path.join(folder, '@glusterts'))));
      const found = scoped.get(type);
      if (found) return found;
      if (!others) {
        others = declared(folders.flatMap((folder) => entries(folder).flatMap((name) => (name.startsWith('@') ? packagesIn(path.join(folder, name)) : [path.join(folder, name)]))));
        for (const [declaredType, load] of await fromXlatorPath(options.xlatorPath ?? [])) others.set(declaredType, load);
      }
      return others.get(type);
    },
  };
}

function nodeModulesAbove(start: string): string[] {
  const folders: string[] = [];
  for (let at = path.resolve(start); ; at = path.dirname(at)) {
    const folder = path.join(at, 'node_modules');
    if (isDirectory(folder)) folders.push(folder);
    if (at === path.dirname(at)) return folders;
  }
}

function isDirectory(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => !name.startsWith('.'));
  } catch {
    return [];
  }
}

function packagesIn(folder: string): string[] {
  return entries(folder).map((name) => path.join(folder, name));
}

function manifestOf(folder: string): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Types by what loads them; the first package that declares a type has it. */
function declared(folders: readonly string[]): Map<string, Load> {
  const loads = new Map<string, Load>();
  for (const folder of folders) {
    const manifest = manifestOf(folder);
    const xlators = manifest?.glusterts?.xlators;
    if (typeof manifest?.name !== 'string' || !xlators) continue;
    const name = manifest.name;
    for (const [type, subpath] of Object.entries(xlators)) {
      if (typeof subpath === 'string' && !loads.has(type)) loads.set(type, () => importFrom(folder, name, subpath));
    }
  }
  return loads;
}

/** By name where this package can see it (then a test's export conditions hold), else by file. */
async function importFrom(folder: string, name: string, subpath: string): Promise<unknown> {
  const specifier = subpath === '.' ? name : `${name}/${subpath.replace(/^\.\//, '')}`;
  try {
    const seen = createRequire(import.meta.url).resolve(`${name}/package.json`);
    if (realpathSync(path.dirname(seen)) === realpathSync(folder)) return await import(/* @vite-ignore */ specifier);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && (error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_PACKAGE_PATH_NOT_EXPORTED'))) throw error;
  }
  const file = createRequire(path.join(folder, 'package.json')).resolve(specifier);
  return import(/* @vite-ignore */ pathToFileURL(file).href);
}

/** Directories of --xlator-path: packages, folders of packages, or single modules, which are imported to see what they hold. */
async function fromXlatorPath(folders: readonly string[]): Promise<Map<string, Load>> {
  const loads = new Map<string, Load>();
  for (const folder of folders) {
    for (const [type, load] of declared([folder, ...packagesIn(folder)])) loads.set(type, load);
    for (const name of entries(folder)) {
      if (!/\.m?js$/.test(name)) continue;
      const module: unknown = await import(/* @vite-ignore */ pathToFileURL(path.join(folder, name)).href);
      if (typeof module !== 'object' || module === null || !('xlators' in module) || !Array.isArray(module.xlators)) continue;
      for (const definition of module.xlators) {
        if (typeof definition === 'object' && definition !== null && 'type' in definition && typeof definition.type === 'string') loads.set(definition.type, () => Promise.resolve(module));
      }
    }
  }
  return loads;
}
