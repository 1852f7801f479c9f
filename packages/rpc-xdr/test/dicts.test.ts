import { Dict, DictType, Iatt, ROOT_GFID, type Bytes, decodeIattNative, decodeLegacyDict, decodeMdataNative, encodeLegacyDict, readTypedDict, wireSource, writeTypedDict } from '@glusterts/libglusterfs';
import { describe, expect, it } from 'vitest';
import { XdrError, XdrReader, XdrWriter } from '../src/index.js';
import { vectors } from './vectors.js';

const typed = (dict: Dict | undefined): Buffer => {
  const w = new XdrWriter();
  writeTypedDict(w, dict);
  return w.finish();
};

describe('typed dicts', () => {
  it.each(vectors<{ hex: string; decoded: { count: number; pairs: { key: string; type: string; value: unknown }[] } }[]>('typed-dicts.json').map((v) => [v.hex.slice(0, 80), v] as const))(
    '%s… decodes to the captured pairs and encodes to the same bytes',
    (_title, { hex, decoded }) => {
      const r = new XdrReader(Buffer.from(hex, 'hex'));
      const dict = readTypedDict(r);
      expect(r.remaining).toBe(0);
      expect(dict?.entries().map(([key, { type }]) => [key, type]) ?? []).toEqual(decoded.pairs.map(({ key, type }) => [key, DictType[type as keyof typeof DictType]]));
      expect(dict === undefined).toBe(decoded.count < 0);
      for (const { key, type, value } of decoded.pairs) {
        if (type === 'INT' || type === 'UINT') expect(dict?.getInt(key)).toBe(BigInt(value as string));
        if (type === 'GFUUID') expect(Buffer.from(dict?.getGfid(key) ?? '', 'latin1').toString('hex')).toBe(value);
        if (type === 'MDATA') expect(dict?.getMdata(key)).toMatchObject({ atime: Number((value as { atime: string }).atime), ctime_nsec: (value as { ctime_nsec: number }).ctime_nsec });
      }
      expect(typed(dict).toString('hex')).toBe(hex);
    },
  );

  it('keeps every type over a round trip', () => {
    const iatt = new Iatt().setGfid(ROOT_GFID);
    iatt.mode = 0o100644;
    iatt.ia_mtime = -5;
    iatt.ia_size = 2 ** 53 - 1;
    const mdata = { atime: 1, atime_nsec: 2, mtime: -3, mtime_nsec: 4, ctime: 5, ctime_nsec: 6 };
    const dict = new Dict()
      .setInt('int', -(2n ** 63n)).setUint('uint', 2n ** 64n - 1n).setDouble('double', 0.1).setStr('str', 'val').setStr('empty', '').setBin('bin', Buffer.from([1, 2, 3, 4, 5]))
      .setGfid('gfid', ROOT_GFID).setIatt('iatt', iatt).setMdata('mdata', mdata).set('old', { type: DictType.STR_OLD, value: Buffer.from('x') });
    const back = readTypedDict(wireSource(typed(dict)));
    expect(back?.entries()).toEqual(dict.entries());
    expect(back?.getIatt('iatt')?.ia_mtime).toBe(-5);
  });

  it('of a key that comes twice the later value counts', () => {
    const w = new XdrWriter();
    for (const word of [48, 2, 2]) w.u32(word);
    for (const value of [1n, 2n]) {
      w.str('k\0' as Bytes);
      w.u32(DictType.INT);
      w.i64(value);
    }
    const dict = readTypedDict(wireSource(w.finish()));
    expect(dict?.size).toBe(1);
    expect(dict?.getInt('k')).toBe(2n);
  });

  it.each([
    ['an unknown type', '000000140000000100000001000000026b0000000000000a0000000000000001'],
    ['a count that the record cannot hold', '00000000ffffffff7fffffff'],
    ['a key that reaches past the end', '00000000000000010000000100000fff6b000000000000020000000000000001'],
    ['a head cut short', '00000000'],
  ])('%s is refused', (_title, hex) => {
    expect(() => readTypedDict(wireSource(Buffer.from(hex, 'hex')))).toThrow(XdrError);
  });
});

describe('legacy dicts', () => {
  it.each(vectors<{ name: string; hex: string; decoded: { count: number; pairs: [string, { cstr?: string; hex?: string }][] } }[]>('legacy-dicts.json').map((v) => [v.name, v] as const))(
    '%s decodes to the captured pairs and encodes to the same bytes',
    (_title, { hex, decoded }) => {
      const bytes = Buffer.from(hex, 'hex');
      const dict = decodeLegacyDict(bytes);
      expect(dict?.size).toBe(decoded.count);
      for (const [key, value] of decoded.pairs) {
        if (value.cstr !== undefined) expect(dict?.getStr(key)).toBe(value.cstr);
        else expect(Buffer.from(dict?.getBin(key) ?? []).toString('hex')).toBe(value.hex);
      }
      expect(encodeLegacyDict(dict).toString('hex')).toBe(hex);
    },
  );

  it.each([
    ['int32 -5', (d: Dict) => d.setInt('k', -5)],
    ['int64 minimum', (d: Dict) => d.setInt('k', -(2n ** 63n))],
    ['uint64 maximum', (d: Dict) => d.setUint('k', 2n ** 64n - 1n)],
    ['double 1.5', (d: Dict) => d.setDouble('k', 1.5)],
    ['double 0.1', (d: Dict) => d.setDouble('k', 0.1)],
    ['string val', (d: Dict) => d.setStr('k', 'val')],
  ])('%s is encoded from its own type as the real library does', (name, set) => {
    const vector = vectors<{ name: string; hex: string }[]>('legacy-dicts.json').find((v) => v.name === name);
    expect(encodeLegacyDict(set(new Dict())).toString('hex')).toBe(vector?.hex);
  });

  it('the C structs of iatt and mdata come back as they went', () => {
    const iatt = new Iatt().setGfid(ROOT_GFID);
    iatt.mode = 0o104751;
    iatt.ia_size = 123456789012;
    iatt.ia_mtime = -1;
    const mdata = { atime: 1, atime_nsec: 2, mtime: -3, mtime_nsec: 4, ctime: 5, ctime_nsec: 6 };
    const dict = decodeLegacyDict(encodeLegacyDict(new Dict().setIatt('i', iatt).setMdata('m', mdata)));
    expect(decodeIattNative(dict?.getBin('i') ?? Buffer.alloc(0))).toEqual(iatt);
    expect(decodeMdataNative(dict?.getBin('m') ?? Buffer.alloc(0))).toEqual(mdata);
    // suid is bit 0 of the bit-field, others' x bit 11.
    expect(dict?.getBin('i')?.[148]).toBe(0b01111001);
  });

  it('no dict and an empty dict differ', () => {
    expect(encodeLegacyDict(undefined).length).toBe(0);
    expect(encodeLegacyDict(new Dict()).toString('hex')).toBe('00000000');
    expect(decodeLegacyDict(Buffer.alloc(0))).toBeUndefined();
    expect(decodeLegacyDict(Buffer.alloc(4))?.size).toBe(0);
  });

  it.each(['ffffffff', '00000001', '0000000100000001ffffffff6b00', '0000000100000001000000ff6b00', '7fffffff00000000', '0000'])('%s is refused', (hex) => {
    expect(() => decodeLegacyDict(Buffer.from(hex, 'hex'))).toThrow(XdrError);
  });
});
