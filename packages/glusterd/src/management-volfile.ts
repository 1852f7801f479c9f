import { parseVolfile as parse } from '@glusterts/libglusterfs';

/** Options of the volume of type mgmt/glusterd in a volfile; undefined when there is none. */
export function parseVolfile(text: string): ReadonlyMap<string, string> | undefined {
  return parse(text, 'glusterd.vol').volumes.find((volume) => volume.type === 'mgmt/glusterd')?.options;
}
