import { optionTable } from './option-table.js';

/** Keys that the help leaves out although they are documented: no xlator of the original describes them. All of the NFS server's are, which Debian doesn't build. */
const UNDESCRIBED: ReadonlySet<string> = new Set([
  'cluster.readdir-failover', 'client.tcp-user-timeout', 'client.keepalive-time', 'client.keepalive-interval', 'client.keepalive-count', 'client.ta-brick-port',
  'storage.xattr-user-namespace-mode', 'config.memory-accounting', 'config.transport', 'cluster.op-version', 'cluster.max-op-version', 'ganesha.enable',
  'cluster.localtime-logging', 'features.cloudsync', 'features.s3plugin-seckey', 'features.s3plugin-keyid', 'features.s3plugin-bucketid', 'features.s3plugin-hostname',
]);
const isDescribed = (key: string): boolean => !UNDESCRIBED.has(key) && (!key.startsWith('nfs.') || /^nfs\.(rdirplus|transport-type)$/.test(key));

/** Where the help shows another default than the option has. */
const SHOWN: Readonly<Partial<Record<string, string>>> = {
  'performance.cache-size': '(null)', 'performance.qr-cache-timeout': '(null)', 'performance.resync-failed-syncs-after-fsync': '(null)',
  'performance.cache-swift-metadata': '(null)', 'performance.cache-samba-metadata': '(null)', 'performance.cache-capability-xattrs': '(null)',
  'performance.cache-ima-xattrs': '(null)', 'performance.xattr-cache-list': '(null)', 'server.keepalive-time': '(null)', 'server.keepalive-interval': '(null)',
  'server.keepalive-count': '(null)', 'features.quota-deem-statfs': 'on', 'nfs.rdirplus': '(null)', 'cluster.server-quorum-type': 'none',
  'cluster.server-quorum-ratio': '(null)', 'features.timeout': '(null)', 'cluster.use-compound-fops': 'no', 'performance.nl-cache-positive-entry': '(null)',
  'performance.nl-cache-limit': '131072', 'features.cloudsync-remote-read': '(null)', 'cluster.use-anonymous-inode': 'no',
};

/** What the help lists, in order: key and default (spec/cli.md, §6.6). */
function listed(): (readonly [string, string])[] {
  const seen = new Set<string>();
  return optionTable.flatMap(({ key, doc, default: value = '(null)' }): (readonly [string, string])[] => {
    // Of several records the first one is listed; of this key both are.
    const again = seen.has(key) && key !== 'features.ctime';
    seen.add(key);
    if (again || !isDescribed(key) || (doc !== undefined && doc !== 'GLOBAL_DOC')) return [];
    return [[key, SHOWN[key] ?? value]];
  });
}

/** `volume set help`; the descriptions are the original's documentation, which is not repeated here. */
export function optionHelp(): string {
  return listed().map(([key, value]) => `Option: ${key}\nDefault Value: ${value}\nDescription: (null)\n\n`).join('');
}

/** `volume set help-xml`. */
export function optionHelpXml(): string {
  const options = listed().map(([key, value]) => `<option><defaultValue>${value}</defaultValue><description>(null)</description><name>${key}</name></option>`);
  return `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<options>${options.join('')}</options>\n`;
}
