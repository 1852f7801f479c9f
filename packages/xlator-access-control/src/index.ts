/**
 * features/access-control, also known as system/posix-acl: permission bits and POSIX ACLs, checked where the files are.
 *
 * @packageDocumentation
 */
import type { XlatorDefinition } from '@glusterts/libglusterfs';
import { AccessControl } from './access-control.js';

export * from './acl.js';
export const xlators: XlatorDefinition[] = ['features/access-control', 'system/posix-acl'].map((type) => ({ type, options: [], create: (context) => new AccessControl(context) }));
