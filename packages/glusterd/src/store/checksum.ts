const CHUNK_SIZE = 1024;

/** Continues a checksum over more bytes (spec/glusterd.md, §3.8). */
export function checksumContinue(state: Uint8Array, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += CHUNK_SIZE) feed(state, bytes.subarray(at, at + CHUNK_SIZE));
}

function feed(state: Uint8Array, chunk: Uint8Array): void {
  if (state.every((byte) => byte === 0)) state.set([0xba, 0xbe, 0xb0, 0x0b]);
  const size = chunk.length;
  const mix = (k: number, byte: number): void => {
    state[k] = (state[k] ?? 0) ^ ((byte << k) & 0xff);
  };
  for (let i = 0; i < size - 4; i += 4) for (let k = 0; k < 4; k++) mix(k, chunk[i + k] ?? 0);
  for (let k = 0; k <= size % 4; k++) mix(k, chunk[size - 4 + k] ?? 0);
}

/** Of a volume's `info`: what its `cksum` file says, and what peers compare. */
export function volumeChecksum(info: string): { readonly file: number; readonly wire: number } {
  const state = new Uint8Array(4);
  const view = new DataView(state.buffer);
  const lines = info.split('\n').filter((line) => line !== '').map((line) => Buffer.from(`${line}\n`, 'latin1'));
  lines.sort(Buffer.compare);
  checksumContinue(state, Buffer.concat(lines));
  const file = view.getUint32(0, true);
  checksumContinue(state, Buffer.from(checksumFile(file), 'latin1'));
  return { file, wire: view.getUint32(0, true) };
}

/** Text of the `cksum` file. */
export function checksumFile(checksum: number): string {
  return `info=${checksum}\n`;
}
