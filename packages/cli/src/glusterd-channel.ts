import type { Address, Logger, Platform } from '@glusterts/libglusterfs';
import { type RpcProcedure, RpcClient, GlusterCli } from '@glusterts/rpc-xdr';
import { CallTimedOut, NotConnected } from './cli.js';
import type { CliChannel } from './session.js';

const ETIMEDOUT = 110;
/** What heal, profile and ganesha get, whatever `--timeout` says. */
const LONG_TIMEOUT_S = 600;
const longProcedures: readonly string[] = [GlusterCli.HEAL_VOLUME.name, GlusterCli.PROFILE_VOLUME.name, GlusterCli.GANESHA.name];

/** The connection to glusterd (spec/cli.md, §1); calls that glusterd makes on it are ignored. */
export class GlusterdChannel implements CliChannel {
  readonly #platform: Platform;
  readonly #client: RpcClient;
  readonly #timeoutS: number;
  readonly #connected: Promise<void>;

  constructor(platform: Platform, log: Logger, address: Address, timeoutS: number) {
    this.#platform = platform;
    this.#timeoutS = timeoutS;
    let onConnect = (): void => undefined;
    let onFail = (_error: Error): void => undefined;
    this.#connected = new Promise<void>((resolve, reject) => {
      onConnect = resolve;
      onFail = reject;
    });
    // Nobody may be waiting yet when it fails.
    this.#connected.catch(() => undefined);
    this.#client = new RpcClient({ platform, log, name: 'glusterfs', address, frameTimeoutS: 0, reconnectDelayMs: false, onConnect: () => onConnect(), onDisconnect: () => onFail(new NotConnected(1)) });
    this.#client.connect();
  }

  async call<Request, Reply>(procedure: RpcProcedure<Request, Reply>, request: Request): Promise<Reply> {
    await this.#within(this.#connected, this.#timeoutS, () => new NotConnected(ETIMEDOUT));
    const seconds = longProcedures.includes(procedure.name) ? LONG_TIMEOUT_S : this.#timeoutS;
    return this.#within(this.#client.invoke(procedure, request), seconds, () => new CallTimedOut());
  }

  #within<T>(promise: Promise<T>, seconds: number, error: () => Error): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.#platform.timers.after(seconds * 1000, () => reject(error()));
      promise.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  close(): void {
    this.#client.disconnect();
  }
}
