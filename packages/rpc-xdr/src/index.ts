/**
 * ONC RPC and XDR as GlusterFS speaks them: message types, client, server, transports.
 *
 * @packageDocumentation
 */
export { fuzzOnce } from './fuzz.js';
export * from './gluster-codecs.js';
export { AuthFlavor, type AuthForm, CREDENTIAL_SIZE_MAX, type Caller, type RpcCredential } from './rpc-auth.js';
export * from './rpc-call.js';
export * from './rpc-client.js';
export { RpcConnection } from './rpc-connection.js';
export { AcceptStat } from './rpc-message.js';
export * from './rpc-program.js';
export * from './rpc-server.js';
export * from './xdr-reader.js';
export * from './xdr-writer.js';
export * from './generated/brick.js';
export * from './generated/callback.js';
export * from './generated/cli.js';
export * from './generated/common.js';
export * from './generated/dump.js';
export * from './generated/glusterd.js';
export * from './generated/glusterfs33.js';
export * from './generated/glusterfs4.js';
export * from './generated/handshake.js';
export * from './generated/local.js';
export * from './generated/portmap.js';
