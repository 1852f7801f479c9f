import { readFileSync, unlinkSync, lstatSync } from 'node:fs';
import net from 'node:net';
import type { Address, Listener, Network, SocketOptions, Transport, TransportHandlers } from './network.js';
import { LocalPortSearch } from './local-port.js';
import { PortableTransport } from './portable-transport.js';
import { tlsConnect, tlsServer } from './portable-tls.js';

/** Connections that wait to be accepted (spec/rpc-wire.md, §1). */
const BACKLOG = 1024;

/**
 * The network on Node's own sockets: TCP, unix sockets and TLS, without native code. What Node can't set is left at the
 * kernel's default: keep-alive's interval and count, TCP_USER_TIMEOUT, the window size, and TLS's certificate depth.
 */
export function createPortableNetwork(): Network {
  return { connect, listen };
}

function connect(address: Address, handlers: TransportHandlers, options: SocketOptions = {}): Transport {
  const search = !('path' in address) && options.bind?.port === -1 ? new LocalPortSearch(options.bind.insecure ?? true, reservedPorts()) : undefined;
  return PortableTransport.connecting(handlers, options, search, pathOf(address), (localPort) => openSocket(address, options, localPort));
}

function openSocket(address: Address, options: SocketOptions, localPort: number | undefined): net.Socket {
  if ('path' in address) return net.connect({ path: address.path });
  const bind = {
    ...(options.bind?.host !== undefined && { localAddress: options.bind.host }),
    ...(localPort !== undefined && { localPort }),
  };
  const target = { host: address.host, port: address.port, ...bind };
  return options.tls ? tlsConnect(target, options.tls) : net.connect({ ...target, noDelay: true });
}

function pathOf(address: Address): string | undefined {
  return 'path' in address ? address.path : undefined;
}

/** Ports that the kernel keeps for others: `ip_local_reserved_ports`, ranges as `[first, last]`. */
function reservedPorts(): [number, number][] {
  try {
    const text = readFileSync('/proc/sys/net/ipv4/ip_local_reserved_ports', 'latin1').trim();
    return text.split(',').filter(Boolean).map((range) => {
      const [first = NaN, last = first] = range.split('-').map(Number);
      return [first, last];
    });
  } catch {
    // Not Linux, or no /proc: nothing is reserved.
    return [];
  }
}

async function listen(address: Address, accept: (transport: Transport) => TransportHandlers, options: SocketOptions = {}): Promise<Listener> {
  const transports = new Set<PortableTransport>();
  const onSocket = (socket: net.Socket): void => {
    PortableTransport.accepted(socket, options, pathOf(address), transports, accept);
  };
  const server = options.tls && !('path' in address) ? tlsServer(options.tls, onSocket) : net.createServer({ noDelay: true }, onSocket);
  if ('path' in address) removeStaleSocket(address.path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen('path' in address ? { path: address.path, backlog: BACKLOG } : { host: address.host, port: address.port, backlog: BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  // An accept that fails (EMFILE) costs that connection, not the listener.
  server.on('error', () => {});
  const bound = server.address();
  return {
    address: typeof bound === 'object' && bound !== null ? { host: bound.address, port: bound.port } : address,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const transport of transports) transport.destroy();
      }),
  };
}

/** As GlusterFS: a socket file that a dead process left is in the way of bind. */
function removeStaleSocket(path: string): void {
  try {
    if (lstatSync(path).isSocket()) unlinkSync(path);
  } catch {
    // Not there, which is what was wanted; anything else bind will tell.
  }
}
