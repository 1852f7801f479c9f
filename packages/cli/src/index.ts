/**
 * The words of gluster: grammar, requests, output.
 *
 * @packageDocumentation
 */
export { runGluster, type GlusterProcess } from './gluster.js';
export { runCommand, USAGE, NotConnected, CallTimedOut } from './cli.js';
export { parseArguments, type CliArguments } from './arguments.js';
export type { CliChannel, CliIo, CliOptions } from './session.js';
