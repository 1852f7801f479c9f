function parseIPv4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    const byte = Number(part);
    if (!/^\d{1,3}$/.test(part) || byte > 255) return undefined;
    value = value * 256 + byte;
  }
  return value;
}

/** Whether an IPv4 address lies in `a.b.c.d/bits`. False for anything malformed. */
export function isIPv4Network(network: string, address: string): boolean {
  const [base = '', bitsText = ''] = network.split('/', 2);
  const bits = Number(bitsText);
  const left = parseIPv4(base);
  const right = parseIPv4(address.replace(/^::ffff:/, ''));
  if (left === undefined || right === undefined || !Number.isInteger(bits) || bits < 0 || bits > 32) return false;
  const size = 2 ** (32 - bits);
  return Math.floor(left / size) === Math.floor(right / size);
}
