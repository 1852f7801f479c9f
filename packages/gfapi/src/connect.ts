import { Graph, GlusterLogger, LogLevel, type Logger, type Platform, XlatorLoader, createPlatform } from '@glusterts/libglusterfs';
import { type VolfileServer, fetchVolfile } from './volfile-fetch.js';

/** The process's one platform: arenas and the event pool are shared by all volumes. */
let shared: Platform | undefined;

function sharedPlatform(): Platform {
  return (shared ??= createPlatform());
}

/** How a volume is used. */
export interface GraphOptions {
  /** Default: the real one, with the native addon when it is built. */
  readonly platform?: Platform;
  /** Finds xlators; default: in the installed packages. */
  readonly loader?: XlatorLoader;
  /** Default: silent, as libgfapi. */
  readonly log?: Logger;
  /** Who asks; default: the process's effective ids. */
  readonly uid?: number;
  readonly gid?: number;
  readonly groups?: readonly number[];
  /** `NAME.KEY=VALUE`, as --xlator-option. */
  readonly xlatorOptions?: readonly string[];
}

export interface ConnectOptions extends GraphOptions {
  /** Used instead of asking glusterd. */
  readonly volfile?: string;
}

function silent(platform: Platform): Logger {
  return GlusterLogger.create('gfapi', { sink: () => undefined, clock: platform.clock, level: LogLevel.NONE });
}

/** Builds and activates a graph; its settling is for the caller to await. */
export async function startGraph(text: string, options: GraphOptions & { readonly volumeName?: string; readonly server?: string }): Promise<Graph> {
  const platform = options.platform ?? sharedPlatform();
  const cmdArgs = new Map([['process-name', 'gfapi']]);
  if (options.server !== undefined) cmdArgs.set('volfile-server', options.server);
  const graph = await Graph.load(text, {
    platform,
    loader: options.loader ?? new XlatorLoader(),
    log: options.log ?? silent(platform),
    cmdArgs,
    ...(options.xlatorOptions === undefined ? {} : { xlatorOptions: options.xlatorOptions }),
  });
  await graph.activate();
  return graph;
}

/** Fetches the volfile, and starts its graph. */
export async function startVolume(server: VolfileServer | readonly VolfileServer[], volume: string, options: ConnectOptions): Promise<Graph> {
  const platform = options.platform ?? sharedPlatform();
  const servers = isList(server) ? server : [server];
  const text = options.volfile ?? (await fetchVolfile(platform, options.log ?? silent(platform), servers, volume));
  return startGraph(text, { ...options, platform, server: hostOf(servers[0]) });
}

function isList(server: VolfileServer | readonly VolfileServer[]): server is readonly VolfileServer[] {
  return Array.isArray(server);
}

function hostOf(server: VolfileServer | undefined): string {
  if (server === undefined) return 'localhost';
  if (typeof server === 'string') return server;
  return 'host' in server ? server.host : 'localhost';
}

