const units: Record<string, number> = { '': 1, B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3, TB: 1024 ** 4, PB: 1024 ** 5 };

/** Bytes of a size with an optional fraction and unit, `64MB`; undefined when it is none (spec/cli.md, §8). */
export function parseSize(text: string): number | undefined {
  const match = /^([0-9]+(?:\.[0-9]*)?|\.[0-9]+|0[xX][0-9a-fA-F]+)([A-Za-z]*)$/.exec(text.trim());
  const unit = match?.[2] === undefined ? undefined : units[match[2].toUpperCase()];
  if (!match?.[1] || unit === undefined) return undefined;
  return Math.trunc(Number(match[1]) * unit);
}

/** Bytes as volgen writes them. */
export function formatBytes(size: number): string {
  return `${size}B`;
}
