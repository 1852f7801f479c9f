/** A disperse volume of memory bricks, as a volfile. `share` names bricks that several graphs of the process see. */
export function volfile(bricks: number, redundancy: number, options: readonly string[] = [], share?: string): string {
  let text = '';
  for (let i = 0; i < bricks; i++) text += `volume brick-${i}\n    type storage/memory\n    option size 0\n${share === undefined ? '' : `    option share ${share}-${i}\n`}end-volume\n\n`;
  const names = Array.from({ length: bricks }, (_, i) => `brick-${i}`).join(' ');
  return `${text}volume v-disperse-0\n    type cluster/disperse\n    option redundancy ${redundancy}\n${options.map((line) => `    option ${line}\n`).join('')}    subvolumes ${names}\nend-volume\n`;
}
