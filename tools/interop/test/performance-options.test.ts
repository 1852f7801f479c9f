import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, DISPERSE_4_2, DISTRIBUTE_2, type Shape, whyNot } from '../src/cluster.ts';
import { MODEL_WORKLOAD } from '../src/model-workload.ts';

const reason = whyNot(false);
if (reason) console.warn(`the performance options on a mount are skipped: ${reason}`);

/** Each switched the other way than by default, then all off, then all on. */
const SWITCHES: readonly (readonly [string, string])[] = [
  ['performance.write-behind', 'off'], ['performance.open-behind', 'off'], ['performance.quick-read', 'off'], ['performance.stat-prefetch', 'off'], ['performance.client-io-threads', 'off'],
  ['performance.nl-cache', 'on'], ['performance.readdir-ahead', 'on'], ['performance.read-ahead', 'on'], ['performance.io-cache', 'on'],
];
const OPERATIONS = 600;

describe.skipIf(reason !== undefined).each([['distribute', DISTRIBUTE_2], ['disperse', DISPERSE_4_2]] satisfies [string, Shape][])('a mounted %s volume does what a local folder does', (_name, shape) => {
  let cluster: Cluster;
  let runs = 0;
  beforeAll(async () => {
    cluster = await Cluster.start('ours');
    cluster.createVolume('v', shape);
    cluster.mount('ours', 'v', '/mnt/v');
    cluster.host.sh(`cat >/run/model.py <<'PY'\n${MODEL_WORKLOAD}\nPY`);
  });
  afterAll(() => cluster.stop());

  /** What the workload says, in folders of its own. */
  const workload = (): string => cluster.host.sh(`python3 /run/model.py /mnt/v/run${++runs} /run/local${runs} ${runs * 31} ${OPERATIONS} 2>&1 || true`).trim();
  const set = (option: string, value: string): string => cluster.host.sh(`${cluster.gluster} volume set v ${option} ${value}`);
  const reset = (option: string): string => cluster.host.sh(`${cluster.gluster} volume reset v ${option}`);
  /** After a switch the mount has another graph. */
  const graph = (): string => cluster.host.sh('readlink /mnt/v/.meta/graphs/active').trim();
  const switched = (change: () => void): void => {
    const before = graph();
    change();
    cluster.host.sh(`for i in $(seq 100); do [ "$(readlink /mnt/v/.meta/graphs/active)" != "${before}" ] && exit 0; sleep 0.1; done; exit 1`);
  };

  it('by default', () => {
    expect(workload()).toBe(`same ${OPERATIONS}`);
  });

  it.each(SWITCHES)('with %s %s', (option, value) => {
    switched(() => set(option, value));
    expect(workload()).toBe(`same ${OPERATIONS}`);
    switched(() => reset(option));
  });

  it.each(['off', 'on'])('with all of them %s', (value) => {
    for (const [option, other] of SWITCHES) set(option, value === 'on' || other === 'off' ? value : 'off');
    expect(workload()).toBe(`same ${OPERATIONS}`);
  });
});
