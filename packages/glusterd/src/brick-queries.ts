import { Dict, encodeLegacyDict, FopError, type Bytes } from '@glusterts/libglusterfs';
import { GlusterBrick, RpcClient } from '@glusterts/rpc-xdr';
import type { Glusterd } from './glusterd.js';
import type { Brick, Volume } from './volume.js';

/** A brick that doesn't answer by then is shown without what it was asked. */
const ANSWER_TIMEOUT_S = 30;

/** A brick's answer; `refused`: it is there, but said no. 10.3's bricks do when they have nothing to tell. */
export interface BrickAnswer {
  readonly dict: Dict | undefined;
  readonly refused: boolean;
}

const OFFLINE: BrickAnswer = { dict: undefined, refused: false };

/** Asks a brick's process on its unix socket what it holds (spec/glusterd.md, §14; STATUS). */
export async function askBrickStatus(glusterd: Glusterd, volume: Volume, brick: Brick, request: Dict): Promise<BrickAnswer> {
  const { log, bricks } = glusterd;
  if (!bricks.isOnline(volume, brick)) return OFFLINE;
  const input = encodeLegacyDict(request.clone().setStr('brick-name', brick.path as Bytes));
  const path = bricks.socketFile(volume, brick);
  const client = await connect(glusterd, path);
  if (client === undefined) return OFFLINE;
  try {
    const reply = await client.invoke(GlusterBrick.STATUS, { name: '' as Bytes, op: GlusterBrick.STATUS.number, input, dict: undefined }, { timeoutMs: ANSWER_TIMEOUT_S * 1000 });
    return reply.op_ret === 0 ? { dict: reply.output ?? new Dict(), refused: false } : { dict: undefined, refused: true };
  } catch (error) {
    if (!(error instanceof FopError)) throw error;
    log.warning(0, `brick ${brick.path} did not tell its status: ${error.message}`);
    return OFFLINE;
  } finally {
    client.disconnect();
  }
}

function connect({ platform, log }: Glusterd, path: string): Promise<RpcClient | undefined> {
  return new Promise((resolve) => {
    const client = new RpcClient({
      platform, log, name: 'brick-operations', address: { path }, reconnectDelayMs: false, frameTimeoutS: ANSWER_TIMEOUT_S, onConnect: () => resolve(client), onDisconnect: () => resolve(undefined),
    });
    client.connect();
  });
}
