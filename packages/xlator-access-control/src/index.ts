/**
 * features/access-control: permission bits and POSIX ACLs on the brick.
 *
 * @packageDocumentation
 */
export {};
