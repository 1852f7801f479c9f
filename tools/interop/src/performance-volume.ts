import { Cluster } from './cluster.ts';

/** The options of volume `p` of the host `clta`, whose client is shown by the vectors of `vectors/client` (README.md there): all performance xlators, everything measured. */
export const OPTIONS_OF_P = [
  'performance.readdir-ahead on', 'performance.parallel-readdir on', 'performance.read-ahead on', 'performance.io-cache on', 'performance.nl-cache on', 'performance.md-cache-statfs on',
  'features.cache-invalidation on', 'diagnostics.latency-measurement on', 'diagnostics.count-fop-hits on',
] as const;

/** A host with volume `p` on one brick, mounted on /mnt/p by the command line that the vectors show. */
export async function startVolumeP(): Promise<Cluster> {
  const cluster = await Cluster.start('ours', { name: 'clta' });
  try {
    const { host, gluster } = cluster;
    host.sh(`${gluster} volume create p clta:/d/b2 force`);
    for (const option of OPTIONS_OF_P) host.sh(`${gluster} volume set p ${option}`);
    host.sh(`${gluster} volume start p && mkdir -p /mnt/p && glusterfs -s clta --volfile-id p /mnt/p`);
    host.sh('for i in $(seq 600); do touch /mnt/p/.answers 2>/dev/null && rm -f /mnt/p/.answers && exit 0; sleep 0.1; done; exit 1');
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

/** The mount's process. */
export function mountPid(cluster: Cluster): number {
  return Number(cluster.host.sh("pgrep -f -- '--volfile-i[d] p /mnt/p' | head -1").trim());
}
