/**
 * XDR (RFC 4506) with RPC programs (RFC 5531) and GlusterFS's habits: `.x` files in, TypeScript codecs out.
 *
 * @example
 * ```ts
 * import { compile } from '@glusterts/tool-xdrgen';
 * const modules = compile(new Map([['ping', 'struct ping { unsigned int n; };']]));
 * console.log(modules.get('ping'));
 * ```
 * @packageDocumentation
 */
export { compile } from './compile.js';
export { XdrSyntaxError } from './lexer.js';
