/**
 * What glusterd, glusterfsd and glusterfs share: arguments, log and pid files, daemonising, volfiles, signals, statedumps.
 *
 * @packageDocumentation
 */
export {};
