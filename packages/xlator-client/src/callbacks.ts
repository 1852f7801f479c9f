import { type Bytes, GfEvent, type Upcall, type Xlator, gfidParse, NULL_GFID } from '@glusterts/libglusterfs';
import { GlusterCallback, type RpcCallbacks, decodeGfCbkCacheInvalidationReq, decodeGfCbkEntrylkContentionReq, decodeGfCbkInodelkContentionReq, decodeGfCbkRecallLeaseReq } from '@glusterts/rpc-xdr';

/** What the brick calls of its own accord (spec/rpc-wire.md, §11.3): upcalls go up as events, the rest is for others. */
export function callbacksOf(xlator: Xlator, childUp: (up: boolean) => void): RpcCallbacks {
  const upcall = (record: Upcall): void => {
    for (const parent of xlator.parents) parent.notify(GfEvent.UPCALL, record, xlator);
  };
  return {
    program: GlusterCallback.program,
    handle: (procedure, reader) => {
      switch (procedure) {
        case GlusterCallback.CACHE_INVALIDATION.number: {
          const { gfid, flags, expire_time_attr, stat, parent_stat, oldparent_stat, xdata } = decodeGfCbkCacheInvalidationReq(reader);
          upcall({ kind: 'cache-invalidation', client: undefined, gfid: gfidParse(gfid) ?? NULL_GFID, flags, expire_time_attr, stat, parent_stat, oldparent_stat, dict: xdata });
          return;
        }
        case GlusterCallback.RECALL_LEASE.number: {
          const { gfid, lease_type, tid } = decodeGfCbkRecallLeaseReq(reader);
          upcall({ kind: 'lease-recall', client: undefined, gfid, lease_type, tid: tid as string as Bytes });
          return;
        }
        case GlusterCallback.INODELK_CONTENTION.number: {
          const { gfid, flock, pid, domain } = decodeGfCbkInodelkContentionReq(reader);
          upcall({ kind: 'inodelk-contention', client: undefined, gfid, flock, pid, domain });
          return;
        }
        case GlusterCallback.ENTRYLK_CONTENTION.number: {
          const { gfid, type, pid, name, domain } = decodeGfCbkEntrylkContentionReq(reader);
          upcall({ kind: 'entrylk-contention', client: undefined, gfid, type: type === 0 ? 0 : 1, pid, name, domain });
          return;
        }
        case GlusterCallback.CHILD_UP.number:
          childUp(true);
          return;
        case GlusterCallback.CHILD_DOWN.number:
          childUp(false);
          return;
        default:
      }
    },
  };
}
