import { type Bytes, Dict, Errno, FopError, Frame, Loc, ROOT_GFID, type Subvolume, utf8 } from '@glusterts/libglusterfs';
import { GlusterHandshake, type GfSetvolumeReq, type GfSetvolumeRsp, type RpcCall, type RpcConnection, type RpcService, serve } from '@glusterts/rpc-xdr';
import { type AuthOptions, authenticate, isTrusted } from './authentication.js';
import { BrickClient } from './brick-client.js';
import type { ServerState } from './handlers.js';

const FOPS_PROGRAM = 1298437;

export interface HandshakeOwner extends ServerState {
  readonly processUuid: string;
  /** Graph up, and the brick's child too? The words of a refusal otherwise. */
  brick(name: string): { readonly subvolume: Subvolume; readonly up: boolean } | 'not-up' | undefined;
  volumeId(): string | undefined;
  authOptions(): AuthOptions;
  settings(): { readonly strict: boolean; readonly allowInsecure: boolean };
  /** The client of this identity, if one is connected already. */
  find(uid: string): BrickClient | undefined;
  attach(client: BrickClient, connection: RpcConnection): void;
}

/** The handshake program of a brick (spec/rpc-wire.md, §11.2; spec/brick.md, §11). */
export function handshakeService(owner: HandshakeOwner): RpcService {
  const P = GlusterHandshake;
  return {
    ...P.program,
    handlers: {
      [P.SETVOLUME.number]: serve(P.SETVOLUME, (request: GfSetvolumeReq, call) => setVolume(owner, request, call)),
      [P.GETSPEC.number]: serve(P.GETSPEC, () => ({ op_ret: -1, op_errno: Errno.ENOSYS, spec: '<this method is not in use, use glusterd for getspec>' as Bytes, xdata: undefined })),
      [P.PING.number]: serve(P.PING, () => ({ op_ret: 0, op_errno: 0, xdata: undefined }), { exempt: true }),
      [P.SET_LK_VER.number]: serve(P.SET_LK_VER, (request) => ({ op_ret: 0, op_errno: 0, lk_ver: request.lk_ver })),
    },
  };
}

class Refused extends FopError {
  readonly words: string;

  constructor(errno: number, words: string) {
    super(errno);
    this.words = words;
  }
}

/** How far a SETVOLUME came: what its answer tells depends on it. */
interface Progress {
  /** The brick's name is known. */
  childUp?: boolean;
  /** Empty for a brick that isn't here. */
  volumeId?: string;
  /** Authenticated. */
  accepted?: boolean;
}

async function setVolume(owner: HandshakeOwner, request: GfSetvolumeReq, call: RpcCall): Promise<GfSetvolumeRsp> {
  const progress: Progress = {};
  try {
    const client = await admit(owner, request.dict ?? new Dict(), call, progress);
    // The lookups took their time: a connection that died meanwhile would never be cleaned up.
    if (!call.connection.connected) throw new Refused(Errno.ENOTCONN, 'the connection is gone');
    owner.attach(client, call.connection);
    // The real one leaves EINVAL here on success too.
    return { op_ret: 0, op_errno: Errno.EINVAL, dict: answerOf(owner, progress, 'Success') };
  } catch (error) {
    if (!(error instanceof FopError)) throw error;
    const words = error instanceof Refused ? error.words : error.message;
    owner.log.info(115029, `SETVOLUME of ${call.connection.peer} refused: ${words}`);
    return { op_ret: -1, op_errno: error.errno, dict: answerOf(owner, progress, words) };
  }
}

/** A dict is sent last key first; the order is 10.3's (vectors/rpc/setvolume-errors.json). */
function answerOf(owner: HandshakeOwner, progress: Progress, words: string): Dict {
  const answer = new Dict();
  if (progress.childUp !== undefined) answer.setStr('child_up', progress.childUp ? '1' : '0');
  if (progress.volumeId !== undefined) answer.setStr('volume-id', utf8(progress.volumeId));
  answer.setStr('ERROR', utf8(words));
  if (progress.accepted === true) {
    answer.setStr('process-uuid', utf8(owner.processUuid));
    answer.setStr('clnt-lk-version', '0');
    answer.setStr('transport-ptr', '1');
  }
  return answer;
}

/** Steps 2 to 11 of spec/brick.md, §11.2. */
async function admit(owner: HandshakeOwner, dict: Dict, call: RpcCall, progress: Progress): Promise<BrickClient> {
  const name = dict.getStr('remote-subvolume');
  if (name === undefined) throw new Refused(Errno.EINVAL, 'No remote-subvolume option specified');
  const brick = owner.brick(name);
  if (brick === 'not-up') throw new Refused(Errno.EAGAIN, 'xlator graph in server is not initialised yet. Try again later');
  if (brick) progress.childUp = brick.up;
  if (brick && !brick.up) throw new Refused(Errno.EAGAIN, 'Not received child_up for this xlator');
  const uid = dict.getStr('process-uuid');
  if (uid === undefined) throw new Refused(Errno.EINVAL, 'UUID not specified');
  const volumeId = dict.getStr('volume-id');
  const own = owner.volumeId();
  if (volumeId !== undefined && own !== undefined && volumeId !== own) throw new Refused(Errno.EINVAL, 'Volume-ID different, possible case of same brick re-used in another volume');
  progress.volumeId = brick ? (own ?? '') : '';
  const fops = dict.getNumber('fops-version');
  if (fops !== FOPS_PROGRAM) throw new Refused(Errno.EINVAL, `version mismatch: client(${fops ?? 0}) - client-mgmt(${dict.getNumber('mgmt-version') ?? 0})`);
  if (!brick) throw new Refused(Errno.ENOENT, 'Brick not found');
  const peer = /^\[?(.*?)\]?(?::(\d+))?$/.exec(call.connection.peer);
  const subdir = dict.getStr('subdir-mount');
  const auth = {
    brick: name,
    address: peer?.[1] ?? '',
    port: Number(peer?.[2] ?? 0),
    username: dict.getStr('username'),
    password: dict.getStr('password'),
    sslName: call.connection.peerCommonName,
    subdir: subdir ?? '/',
  };
  if (!authenticate(owner.authOptions(), auth, owner.settings())) throw new Refused(Errno.EACCES, 'Authentication failed');
  progress.accepted = true;
  const frame = new Frame();
  const root = new Loc({ inode: owner.table.root, gfid: ROOT_GFID, path: '/' as Bytes });
  // Its failure is ignored, as by the original: the fops will tell.
  await brick.subvolume.lookup(frame, root, undefined).catch(() => undefined);
  const known = owner.find(uid);
  if (known) return known;
  return new BrickClient({
    uid,
    bound: brick.subvolume,
    trusted: isTrusted(owner.authOptions(), auth),
    opVersion: dict.getNumber('opversion') ?? 0,
    processName: dict.getStr('process-name') ?? 'unknown',
    subdir: subdir === undefined || subdir === '/' ? undefined : await resolveSubdir(owner, brick.subvolume, subdir),
  });
}

async function resolveSubdir(owner: HandshakeOwner, below: Subvolume, path: Bytes): Promise<BrickClient['subdir']> {
  let parent = owner.table.root;
  for (const name of path.split('/').filter((part) => part !== '')) {
    const loc = new Loc({ inode: owner.table.create(), parent, name: name as Bytes, path });
    try {
      const reply = await below.lookup(new Frame(), loc, undefined);
      parent = owner.table.link(loc.inode, parent, name as Bytes, reply.stat);
    } catch (error) {
      if (error instanceof FopError) throw new Refused(Errno.ENOENT, `subdirectory for mount "${path}" is not found`);
      throw error;
    }
  }
  return { path, gfid: parent.gfid };
}
