import type { OptionSpec } from '@glusterts/libglusterfs';

/** Options of protocol/client (spec/client.md, §20). */
export const options: readonly OptionSpec[] = [
  { key: 'remote-host', type: 'internet-address' },
  { key: 'remote-port', type: 'int' },
  { key: 'remote-subvolume', type: 'any' },
  { key: 'transport-type', type: 'str', default: 'tcp' },
  { key: 'transport.address-family', type: 'str' },
  { key: ['transport.socket.connect-path', 'connect-path'], type: 'path' },
  { key: 'username', type: 'any' },
  { key: 'password', type: 'any' },
  { key: 'frame-timeout', type: 'time', default: '1800', min: 0, max: 86400 },
  { key: 'ping-timeout', type: 'time', default: '42', min: 0, max: 1013 },
  { key: 'client-bind-insecure', type: 'bool' },
  { key: ['tcp-window-size', 'transport.tcp-window-size'], type: 'size', default: '0' },
  { key: 'filter-O_DIRECT', type: 'bool', default: 'off' },
  { key: 'send-gids', type: 'bool', default: 'on' },
  // Not set: none but the loop's (docs/rpc.md, "Event threads").
  { key: 'event-threads', type: 'int', min: 1, max: 32 },
  { key: 'testing.old-protocol', type: 'bool', default: 'off' },
  { key: 'strict-locks', type: 'bool', default: 'off' },
  { key: ['transport.tcp-user-timeout'], type: 'time', default: '0' },
  { key: ['transport.socket.keepalive-time'], type: 'time', default: '20' },
  { key: ['transport.socket.keepalive-interval'], type: 'time', default: '2' },
  { key: ['transport.socket.keepalive-count'], type: 'int', default: '9' },
  // Ours: a unix socket in place of TCP between processes of one machine (docs/rpc.md, "The local path").
  { key: 'transport.socket.local-path', type: 'bool', default: 'on' },
  { key: ['transport.socket.ssl-enabled'], type: 'bool', default: 'off' },
  { key: ['transport.socket.ssl-own-cert'], type: 'any', default: '/etc/ssl/glusterfs.pem' },
  { key: ['transport.socket.ssl-private-key'], type: 'any', default: '/etc/ssl/glusterfs.key' },
  { key: ['transport.socket.ssl-ca-list'], type: 'any', default: '/etc/ssl/glusterfs.ca' },
  { key: ['transport.socket.*', 'transport.*'], type: 'any' },
];
