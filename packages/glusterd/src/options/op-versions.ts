import type { Volume } from '../volume.js';
import { parseBool, VolumeType } from '../volume.js';
import { recordsOf } from './option-lookup.js';

const DISPERSE = 30600;
const OPEN_BEHIND = 2;

/** The op-versions that a volume's options and type need of servers and clients (spec/glusterd.md, §11.7). */
export function volumeOpVersions(volume: Pick<Volume, 'type' | 'options'>): { opVersion: number; clientOpVersion: number } {
  let opVersion = 1;
  let clientOpVersion = 1;
  const atLeast = (needed: number, client: boolean): void => {
    opVersion = Math.max(opVersion, needed);
    if (client) clientOpVersion = Math.max(clientOpVersion, needed);
  };
  for (const [key, value] of volume.options) {
    for (const record of recordsOf(key)) {
      if (record.togglesXlator && parseBool(value) !== true) continue;
      atLeast(record.opVersion, record.client === true);
    }
  }
  if (parseBool(volume.options.get('performance.open-behind')) !== false) atLeast(OPEN_BEHIND, true);
  if (volume.type === VolumeType.DISPERSE) atLeast(DISPERSE, true);
  return { opVersion, clientOpVersion };
}
