import { VolfileError, parseVolfile } from './volfile.js';

const WORDS = [
  'volume', 'end-volume', 'type', 'option', 'subvolumes', 'subvolumeS', 'storage/posix', 'a', 'b', 'p#1', '"quoted"', '"', '\\', '\\"', '`', '`x`', '#', '\n', '\r\n', '\t', ' ', '\0', '\xff', '"open', 'key', '/d/b', '""', '"a\nb"',
];
const VALID = 'volume a\n type storage/posix\n option directory "/d/b 1"\nend-volume\n# c\nvolume b\n type x/y\n subvolumes a\n option k v\nend-volume\n';

/** A small generator of numbers below 2^32, the same for the same seed. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/**
 * One input for the volfile parser, made from a seed: words in any order, or a valid file with damage. True when it was a valid
 * volfile. Throws when the parser does anything but parse or refuse with a VolfileError whose place lies in the text.
 */
export function fuzzVolfile(seed: number): boolean {
  const next = generator(seed);
  let text = '';
  if (next() % 2 === 0) {
    const count = next() % 40;
    for (let i = 0; i < count; i++) text += `${WORDS[next() % WORDS.length] ?? ''}${next() % 4 === 0 ? '\n' : ' '}`;
  } else {
    text = VALID;
    for (let damage = next() % 4; damage > 0; damage--) {
      const at = next() % (text.length + 1);
      const kind = next() % 3;
      if (kind === 0) text = text.slice(0, at);
      else if (kind === 1) text = text.slice(0, at) + (WORDS[next() % WORDS.length] ?? '') + text.slice(at);
      else text = text.slice(0, at) + text.slice(at + 1 + (next() % 8));
    }
  }
  try {
    const { volumes } = parseVolfile(text);
    if (volumes.length === 0) throw new Error(`a volfile without volumes was accepted: ${JSON.stringify(text)}`);
    return true;
  } catch (error) {
    if (!(error instanceof VolfileError)) throw error;
    const lines = text.split('\n').length;
    if (error.line < 1 || error.line > lines || error.column < 1) throw new Error(`line ${error.line}, column ${error.column} is not in the text: ${JSON.stringify(text)}`);
    return false;
  }
}
