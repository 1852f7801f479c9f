import { Errno, FopError, LocalFileFlag } from '@glusterts/libglusterfs';
import { GlustertsLocal, GlustertsLocalCallback, type RpcService, serve } from '@glusterts/rpc-xdr';
import type { BrickClient } from './brick-client.js';
import { clientOf } from './handlers.js';

const none = (op_errno: number): { op_ret: number; op_errno: number; descriptor: number; flags: number } => ({ op_ret: -1, op_errno, descriptor: 0, flags: 0 });

/** Gives clients on this machine the files that they have open, for reading (docs/rpc.md, "The local path"). */
export function localFileService(): RpcService {
  return {
    ...GlustertsLocal.program,
    unlisted: true,
    handlers: {
      [GlustertsLocal.FILE.number]: serve(GlustertsLocal.FILE, (request, call) => {
        const client = clientOf(call);
        const { transport } = call.connection;
        if (!client || transport.passesDescriptors !== true || !transport.passDescriptor) return none(Errno.EOPNOTSUPP);
        try {
          const file = client.bound.xlator.localFile(client.fd(request.fd));
          if (!file) return none(Errno.EOPNOTSUPP);
          const flags = (file.inMemory ? LocalFileFlag.IN_MEMORY : 0) | (file.hasMdata ? LocalFileFlag.HAS_MDATA : 0);
          return { op_ret: 0, op_errno: 0, descriptor: transport.passDescriptor(file.descriptor), flags };
        } catch (error) {
          if (error instanceof FopError) return none(error.errno);
          throw error;
        }
      }),
    },
  };
}

/** What was given may be wrong from now on: they have to ask again. */
export function revokeLocalFiles(clients: Iterable<BrickClient>): void {
  for (const { connections } of clients) for (const connection of connections) if (connection.transport.passesDescriptors === true) connection.callback(GlustertsLocalCallback.REVOKE, undefined);
}
