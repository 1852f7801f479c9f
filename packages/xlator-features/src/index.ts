/**
 * The feature xlators that GlusterFS's brick graphs always hold. `features/read-only` and `features/selinux` are complete; the
 * others pass everything on while they are switched off, as the originals do, and refuse to be switched on.
 *
 * @packageDocumentation
 */
import type { XlatorDefinition } from '@glusterts/libglusterfs';
import { readOnly } from './read-only.js';
import { selinux } from './selinux.js';
import { switchedOff } from './switched-off.js';

export const xlators: XlatorDefinition[] = [readOnly, selinux, ...switchedOff];
