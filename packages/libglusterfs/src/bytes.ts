/**
 * Byte strings: names, paths, xattr names and dict keys.
 *
 * On disk and on the wire a name is bytes, not text: any byte but NUL and `/` is legal. Inside glusterts such a byte
 * string is a latin-1 JavaScript string, one char (U+0000 to U+00FF) for each byte: it compares, hashes and
 * concatenates as a string does, V8 stores it in one byte per char, and `Buffer.latin1Write` puts it on the wire
 * without conversion. UTF-8 appears only in logs and on a terminal.
 */
declare const byteString: unique symbol;
/** A byte string: every char code is one byte, 0 to 255. */
export type Bytes = string & { readonly [byteString]: true };

/** The bytes of a text in UTF-8, e.g. of a literal or of a command-line argument. */
export function utf8(text: string): Bytes {
  // Most names are ASCII, where both forms are the same.
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return Buffer.from(text, 'utf8').toString('latin1') as Bytes;
  }
  return text as Bytes;
}

/** The byte string held in a buffer. */
export function fromBuffer(buffer: Uint8Array): Bytes {
  return Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength).toString('latin1') as Bytes;
}

/** A new buffer holding a byte string. */
export function toBuffer(bytes: Bytes): Buffer {
  return Buffer.from(bytes, 'latin1');
}

/** For people: the bytes read as UTF-8; bytes that aren't UTF-8 show as U+FFFD. Never parse the result. */
export function display(bytes: Bytes): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
