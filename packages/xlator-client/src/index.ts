/**
 * protocol/client: a brick at the other end of a connection.
 *
 * @packageDocumentation
 */
import type { XlatorDefinition } from '@glusterts/libglusterfs';
import { ClientXlator } from './client.js';
import { options } from './options.js';

export const xlators: XlatorDefinition[] = [{ type: 'protocol/client', options, create: (context) => new ClientXlator(context) }];
