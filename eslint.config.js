import tseslint from 'typescript-eslint';

/** Node's doors to the world outside; only the platform (and what is no part of a graph) may open them. */
const outside = ['fs', 'fs/promises', 'net', 'dgram', 'tls', 'http', 'https', 'child_process', 'worker_threads', 'cluster', 'dns', 'os', 'timers', 'timers/promises'];
const outsideImports = { paths: outside.flatMap((name) => [name, `node:${name}`]).map((name) => ({ name, message: 'Only through Platform: the simulator depends on it.' })) };
const xlatorImports = { patterns: [{ group: ['@glusterts/xlator-*'], message: 'An xlator package never imports another: they meet only in a graph.' }] };
const seam = [
  { object: 'Date', property: 'now', message: 'Time only through Platform.' },
  { object: 'Math', property: 'random', message: 'Randomness only through Platform.' },
  { object: 'performance', property: 'now', message: 'Time only through Platform.' },
];
const seamGlobals = ['setTimeout', 'setInterval', 'setImmediate'].map((name) => ({ name, message: 'Time only through Platform.' }));

export default tseslint.config(
  { ignores: ['**/dist/**', '**/build/**', '**/node_modules/**', 'docs/**', '**/*.js', '**/*.mjs'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.base],
    languageOptions: { parserOptions: { projectService: false } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false }],
      'prefer-const': 'error',
      'no-var': 'error',
      eqeqeq: 'error',
      'no-restricted-syntax': ['error', { selector: 'TSAsExpression > TSAsExpression > TSUnknownKeyword', message: 'No `as unknown as`.' }],
    },
  },
  {
    // The seam: everything in packages/, but not its tests, nor the platform itself, nor the parts that are processes.
    files: ['packages/*/src/**/*.ts'],
    ignores: ['packages/libglusterfs/src/platform/**', 'packages/glusterd/src/platform/**', 'packages/cli/src/platform/**', 'packages/daemon/**', 'packages/xlator-compliance/**'],
    rules: {
      'no-restricted-imports': ['error', outsideImports],
      'no-restricted-properties': ['error', ...seam],
      'no-restricted-globals': ['error', ...seamGlobals],
    },
  },
  { files: ['packages/xlator-*/src/**/*.ts'], rules: { 'no-restricted-imports': ['error', { ...outsideImports, ...xlatorImports }] } },
  {
    // libglusterfs knows no other package.
    files: ['packages/libglusterfs/src/**/*.ts'],
    ignores: ['packages/libglusterfs/src/platform/**'],
    rules: { 'no-restricted-imports': ['error', { ...outsideImports, patterns: [{ group: ['@glusterts/*'], message: 'libglusterfs is at the bottom.' }] }] },
  },
  {
    files: ['packages/rpc-xdr/src/**/*.ts'],
    rules: { 'no-restricted-imports': ['error', { ...outsideImports, patterns: [{ group: ['@glusterts/*', '!@glusterts/libglusterfs'], message: 'rpc-xdr stands on libglusterfs alone.' }] }] },
  },
);
