/** The volfile of a distribute volume over bricks in memory. @param share makes graphs of one process see the same files */
export function volfile(bricks: number, share?: string, options: Readonly<Record<string, string>> = {}): string {
  const names = Array.from({ length: bricks }, (_, i) => `v-client-${i}`);
  const leaves = names.map((name) => `volume ${name}\n    type storage/memory\n    option size 0\n${share === undefined ? '' : `    option share ${share}-${name}\n`}end-volume\n`);
  const settings = Object.entries(options).map(([key, value]) => `    option ${key} ${value}\n`).join('');
  return `${leaves.join('\n')}\nvolume v-dht\n    type cluster/distribute\n${settings}    subvolumes ${names.join(' ')}\nend-volume\n`;
}
