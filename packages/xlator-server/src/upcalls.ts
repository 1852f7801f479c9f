import { type Bytes, type Upcall, gfidToString } from '@glusterts/libglusterfs';
import { GlusterCallback, XdrWriter, encodeGfCbkCacheInvalidationReq, encodeGfCbkEntrylkContentionReq, encodeGfCbkInodelkContentionReq, encodeGfCbkRecallLeaseReq } from '@glusterts/rpc-xdr';

const CACHE_INVALIDATION = 1;

/** Encodes what an xlator below has to tell a client, and calls it (spec/rpc-wire.md, §11.3). */
export function sendUpcall(upcall: Upcall): void {
  const { client } = upcall;
  if (!client) return;
  const w = new XdrWriter();
  w.rewind();
  switch (upcall.kind) {
    case 'cache-invalidation':
      encodeGfCbkCacheInvalidationReq(w, {
        gfid: gfidToString(upcall.gfid) as Bytes, event_type: CACHE_INVALIDATION, flags: upcall.flags, expire_time_attr: upcall.expire_time_attr,
        stat: upcall.stat, parent_stat: upcall.parent_stat, oldparent_stat: upcall.oldparent_stat, xdata: upcall.dict,
      });
      client.callback(GlusterCallback.CACHE_INVALIDATION.number, w.finish());
      return;
    case 'lease-recall':
      encodeGfCbkRecallLeaseReq(w, { gfid: upcall.gfid, lease_type: upcall.lease_type, tid: upcall.tid as string as typeof upcall.gfid, xdata: undefined });
      client.callback(GlusterCallback.RECALL_LEASE.number, w.finish());
      return;
    case 'inodelk-contention':
      encodeGfCbkInodelkContentionReq(w, { gfid: upcall.gfid, flock: upcall.flock, pid: upcall.pid >>> 0, domain: upcall.domain, xdata: undefined });
      client.callback(GlusterCallback.INODELK_CONTENTION.number, w.finish());
      return;
    case 'entrylk-contention':
      encodeGfCbkEntrylkContentionReq(w, { gfid: upcall.gfid, type: upcall.type, pid: upcall.pid >>> 0, name: upcall.name, domain: upcall.domain, xdata: undefined });
      client.callback(GlusterCallback.ENTRYLK_CONTENTION.number, w.finish());
      return;
  }
}
