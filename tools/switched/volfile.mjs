// Switches a performance xlator in a volfile, to the contrary of what glusterd writes by default.

/** Those of a client, from the bottom up as glusterd stacks them, with glusterd's default. */
export const SWITCHES = new Map([
  ['write-behind', 'on'], ['read-ahead', 'off'], ['readdir-ahead', 'off'], ['io-cache', 'off'], ['open-behind', 'on'], ['quick-read', 'on'], ['nl-cache', 'off'], ['md-cache', 'on'], ['io-threads', 'on'],
]);
const ORDER = [...SWITCHES.keys()].map((name) => `performance/${name}`);

/** What glusterd writes into those that it adds. */
const OPTIONS = new Map([['performance/readdir-ahead', ['rda-cache-limit 10MB', 'rda-request-size 131072', 'parallel-readdir off']], ['performance/nl-cache', ['nl-cache-limit 10MB']]]);

/** The volumes of the text, each with its lines as they stand. */
function volumesOf(text) {
  return [...text.matchAll(/^[ \t]*volume[ \t]+(\S+)[ \t]*\n[^]*?^[ \t]*end-volume[ \t]*$/gm)].map(([lines, name]) => ({
    name,
    lines,
    type: /^[ \t]*type[ \t]+(\S+)/m.exec(lines)?.[1] ?? '',
    subvolumes: /^[ \t]*subvolumes[ \t]+(.+?)[ \t]*$/m.exec(lines)?.[1].split(/[ \t]+/) ?? [],
  }));
}

function textOf(volumes) {
  return volumes.map(({ lines, subvolumes }) => `${lines.replace(/^([ \t]*subvolumes)[ \t]+.+$/m, (_, word) => `${word} ${subvolumes.join(' ')}`)}\n`).join('\n');
}

/** Takes the volumes of one type out; who stood on one stands on its child. */
function withdraw(volumes, type) {
  const below = new Map();
  const left = [];
  for (const volume of volumes) {
    volume.subvolumes = volume.subvolumes.map((name) => below.get(name) ?? name);
    if (volume.type === type && volume.subvolumes.length === 1) below.set(volume.name, volume.subvolumes[0]);
    else left.push(volume);
  }
  return left;
}

/** Puts one where glusterd would have put it: above those that stand lower in its order. */
function insert(volumes, type) {
  if (volumes.some((volume) => volume.type === type)) return volumes;
  const byName = new Map(volumes.map((volume) => [volume.name, volume]));
  let above = volumes.at(-1);
  for (;;) {
    const child = above.subvolumes.length === 1 ? byName.get(above.subvolumes[0]) : undefined;
    if (child === undefined) return volumes;
    if (ORDER.indexOf(child.type) <= ORDER.indexOf(type)) {
      const name = `${volumes.at(-1).name}-${type.slice('performance/'.length)}`;
      const options = (OPTIONS.get(type) ?? []).map((option) => `    option ${option}`);
      const volume = { name, type, lines: [`volume ${name}`, `    type ${type}`, ...options, `    subvolumes ${child.name}`, 'end-volume'].join('\n'), subvolumes: [child.name] };
      above.subvolumes = [name];
      return volumes.toSpliced(volumes.indexOf(above), 0, volume);
    }
    above = child;
  }
}

/**
 * The volfile with those xlators (`write-behind`, or several: `quick-read+md-cache`) the contrary of their defaults; undefined when
 * that changes nothing, or when it is no volfile that glusterd writes for a client or a brick: a graph that a test has made up by
 * hand is what the test wants.
 */
export function switched(text, names) {
  const all = volumesOf(text);
  const has = (type) => all.some((volume) => volume.type === type);
  const brick = all.at(-1)?.type === 'protocol/server' && has('storage/posix') && has('debug/io-stats');
  const client = all.at(-1)?.type === 'debug/io-stats' && (has('protocol/client') || has('storage/memory')) && all.some((volume) => ORDER.includes(volume.type));
  let volumes = all;
  for (const name of names.split('+').filter((one) => one !== 'none')) {
    if (brick && name === 'io-threads') volumes = withdraw(volumes, 'performance/io-threads');
    // What is known to be absent stays so for a minute: GlusterFS's own group of options for nl-cache has bricks tell of changes.
    if (brick && name === 'nl-cache') {
      volumes = volumes.map((volume) => (volume.type === 'features/upcall' ? { ...volume, lines: volume.lines.replace(/^[ \t]*option[ \t]+cache-invalidation[ \t].*\n/m, '').replace(/^([ \t]*)(subvolumes)/m, '$1option cache-invalidation on\n$1$2') } : volume));
    }
    if (client) volumes = SWITCHES.get(name) === 'on' ? withdraw(volumes, `performance/${name}`) : insert(volumes, `performance/${name}`);
  }
  const result = textOf(volumes);
  return result === textOf(volumesOf(text)) ? undefined : result;
}
