/**
 * features/utime: stamps fops with the client's time, so that all bricks of a volume store the same one.
 *
 * @packageDocumentation
 */
import type { OptionSpec, XlatorDefinition } from '@glusterts/libglusterfs';
import { Utime } from './utime.js';

export { Utime };

const options: readonly OptionSpec[] = [{ key: 'noatime', type: 'bool', default: 'on', flags: ['settable', 'client'], description: 'reads leave atime alone' }];

/** What this package implements. */
export const xlators: readonly XlatorDefinition[] = [{ type: 'features/utime', options, create: (context) => new Utime(context) }];
