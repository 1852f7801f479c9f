/**
 * protocol/server: offers a graph to clients.
 *
 * @packageDocumentation
 */
import type { XlatorDefinition } from '@glusterts/libglusterfs';
import { options } from './options.js';
import { ServerXlator } from './server.js';

export const xlators: XlatorDefinition[] = [{ type: 'protocol/server', options, create: (context) => new ServerXlator(context) }];
