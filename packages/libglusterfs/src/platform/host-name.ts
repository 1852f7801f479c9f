import { hostname } from 'node:os';

/** This machine's name, as identities and logs carry it. */
export function hostName(): string {
  return hostname();
}
