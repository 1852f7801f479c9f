import { type Bytes, Dict, Iatt, ROOT_GFID, decodeLegacyDict, encodeLegacyDict } from '@glusterts/libglusterfs';
import {
  XdrReader, XdrWriter, decodeGfxCommon2iattRsp, decodeGfxLookupReq, decodeGfxReaddirpRsp, decodeGfxWriteReq, decodeTypedDict, encodeGfxCommon2iattRsp, encodeGfxLookupReq,
  encodeGfxReaddirpRsp, encodeGfxWriteReq, encodeTypedDict,
} from '@glusterts/rpc-xdr';
import { type MicroRow, timed } from './timing.js';

const ENTRIES = 100;

function iatt(): Iatt {
  const stat = new Iatt().setGfid(ROOT_GFID);
  stat.mode = 0o100644;
  stat.ia_size = 123456;
  stat.ia_dev = 65024n;
  stat.ia_mtime = stat.ia_ctime = stat.ia_atime = 1795229552;
  return stat;
}

/** Encoding and decoding of dicts, and of the commonest messages. */
export function codecs(ms: number): MicroRow[] {
  const w = new XdrWriter();
  const rows: MicroRow[] = [];
  const both = <Message>(name: string, message: Message, encode: (w: XdrWriter, m: Message) => void, decode: (r: XdrReader) => Message): void => {
    rows.push(timed(`${name}, encode`, () => {
      w.rewind();
      encode(w, message);
      w.finish();
    }, ms));
    w.rewind();
    encode(w, message);
    const bytes = Uint8Array.from(w.finish());
    rows.push(timed(`${name}, decode`, () => void decode(new XdrReader(bytes)), ms));
  };
  const wanted = new Dict().setUint('trusted.ec.version', 0).setUint('trusted.ec.size', 0).setUint('glusterfs.inodelk-count', 0);
  const large = new Dict();
  for (let i = 0; i < 20; i++) large.setStr(`volume.option-${i}`, `value ${i}`);
  const xattrs = new Dict().setBin('trusted.ec.size', new Uint8Array(8)).setBin('trusted.glusterfs.mdata', new Uint8Array(57));
  const stat = iatt();
  both('dict of 3 numbers (xdata)', wanted, encodeTypedDict, (r) => decodeTypedDict(r) ?? wanted);
  both('dict of 20 strings (xdata)', large, encodeTypedDict, (r) => decodeTypedDict(r) ?? large);
  const legacy = encodeLegacyDict(large);
  rows.push(timed('dict of 20 strings (management), encode', () => void encodeLegacyDict(large), ms), timed('dict of 20 strings (management), decode', () => void decodeLegacyDict(legacy), ms));
  both('LOOKUP request', { gfid: ROOT_GFID, pargfid: ROOT_GFID, flags: 0, bname: 'a-file-name.txt' as Bytes, xdata: wanted }, encodeGfxLookupReq, decodeGfxLookupReq);
  both('LOOKUP reply, 2 xattrs', { op_ret: 0, op_errno: 0, xdata: xattrs, prestat: stat, poststat: stat }, encodeGfxCommon2iattRsp, decodeGfxCommon2iattRsp);
  both('WRITE request', { gfid: ROOT_GFID, fd: 3, offset: 4096, size: 131072, flag: 1, xdata: undefined }, encodeGfxWriteReq, decodeGfxWriteReq);
  both('WRITE reply', { op_ret: 0, op_errno: 0, xdata: undefined, prestat: stat, poststat: stat }, encodeGfxCommon2iattRsp, decodeGfxCommon2iattRsp);
  const entries = Array.from({ length: ENTRIES }, (_, i) => {
    const name = `file-number-${i}.txt` as Bytes;
    return { d_ino: BigInt(i), d_off: BigInt(i) << 20n, d_len: name.length, d_type: 8, name, stat, dict: xattrs };
  });
  both(`READDIRP reply, ${ENTRIES} entries`, { op_ret: ENTRIES, op_errno: 0, xdata: undefined, reply: entries }, encodeGfxReaddirpRsp, decodeGfxReaddirpRsp);
  return rows;
}
