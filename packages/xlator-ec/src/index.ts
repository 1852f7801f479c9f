/**
 * cluster/disperse: erasure-coded files.
 *
 * @packageDocumentation
 */
import type { XlatorDefinition } from '@glusterts/libglusterfs';
import { Disperse } from './disperse.js';
import { options } from './options.js';

export const xlators: XlatorDefinition[] = [{ type: 'cluster/disperse', options, create: (context) => new Disperse(context) }];
