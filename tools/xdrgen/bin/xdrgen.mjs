#!/usr/bin/env node
// Compiles packages/rpc-xdr/xdr/*.x to packages/rpc-xdr/src/generated/*.ts.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const tool = join(dirname(fileURLToPath(import.meta.url)), '..');
const bundle = await build({ entryPoints: [join(tool, 'src/index.ts')], bundle: true, write: false, format: 'esm', platform: 'node' });
const { compile } = await import(`data:text/javascript;base64,${Buffer.from(bundle.outputFiles[0].contents).toString('base64')}`);

const rpc = join(tool, '../../packages/rpc-xdr');
const files = readdirSync(join(rpc, 'xdr')).filter((name) => name.endsWith('.x')).sort();
const modules = compile(new Map(files.map((name) => [name.slice(0, -2), readFileSync(join(rpc, 'xdr', name), 'utf8')])));
mkdirSync(join(rpc, 'src/generated'), { recursive: true });
for (const [name, text] of modules) writeFileSync(join(rpc, 'src/generated', `${name}.ts`), text);
console.log(`${modules.size} files generated`);
