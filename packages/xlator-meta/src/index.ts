/**
 * meta: the process, its graphs and each xlator's options and private state as files under `.meta`.
 *
 * @packageDocumentation
 */
import type { XlatorDefinition } from '@glusterts/libglusterfs';
import { Meta, options } from './meta.js';

export const xlators: XlatorDefinition[] = [{ type: 'meta', options, create: (context) => new Meta(context) }];
