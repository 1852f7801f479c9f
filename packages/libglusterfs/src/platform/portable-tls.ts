import { readFileSync } from 'node:fs';
import type net from 'node:net';
import tls from 'node:tls';
import type { TlsOptions } from './network.js';

/** GlusterFS's ciphers unless the volfile names others (spec/rpc-wire.md, §16). */
const CIPHERS = 'EECDH:EDH:HIGH:!3DES:!RC4:!DES:!MD5:!aNULL:!eNULL';

function material(options: TlsOptions): tls.SecureContextOptions {
  return { cert: readFileSync(options.cert), key: readFileSync(options.key), ca: readFileSync(options.ca), ciphers: options.ciphers ?? CIPHERS, minVersion: 'TLSv1.2' };
}

/** A TLS connection. The peer's certificate must be signed by the CA; its name isn't compared with the host's, as in GlusterFS. */
export function tlsConnect(target: { host: string; port: number; localAddress?: string; localPort?: number }, options: TlsOptions): tls.TLSSocket {
  return tls.connect({ ...target, ...material(options), rejectUnauthorized: true, checkServerIdentity: () => undefined });
}

/** A server that asks for certificates, and drops those who have none that is signed by the CA. */
export function tlsServer(options: TlsOptions, onSocket: (socket: net.Socket) => void): tls.Server {
  const server = tls.createServer({ ...material(options), requestCert: true, rejectUnauthorized: true, honorCipherOrder: true }, onSocket);
  server.on('tlsClientError', () => {});
  return server;
}

/** The common name of the peer's certificate; undefined without TLS. */
export function peerCommonName(socket: net.Socket): string | undefined {
  if (!(socket instanceof tls.TLSSocket)) return undefined;
  const subject: unknown = socket.getPeerCertificate().subject;
  if (typeof subject !== 'object' || subject === null || !('CN' in subject)) return undefined;
  return typeof subject.CN === 'string' ? subject.CN : undefined;
}
