/**
 * The feature xlators that GlusterFS's brick graphs always hold. `features/read-only`, `features/selinux` and `features/upcall` are complete; the
 * others pass everything on while they are switched off, as the originals do, and refuse to be switched on.
 *
 * @packageDocumentation
 */
import type { XlatorDefinition } from '@glusterts/libglusterfs';
import { readOnly } from './read-only.js';
import { selinux } from './selinux.js';
import { switchedOff } from './switched-off.js';
import { upcall } from './upcall/upcall.js';

export const xlators: XlatorDefinition[] = [readOnly, selinux, upcall, ...switchedOff];
