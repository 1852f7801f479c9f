/**
 * features/index: notes on the brick which inodes may need healing, for the self-heal daemon to find.
 *
 * @packageDocumentation
 */
import type { XlatorDefinition } from '@glusterts/libglusterfs';
import { Index, options } from './xattrop-index.js';

export const xlators: XlatorDefinition[] = [{ type: 'features/index', options, create: (context) => new Index(context) }];
