/**
 * ONC RPC and XDR as GlusterFS speaks them: message types, client, server, transports.
 *
 * @packageDocumentation
 */
export {};
