// `npm test`: on a fresh clone, alone: install, build, typecheck, lint, then every test of every package, with the addon and on
// portable TypeScript. What can't run here is skipped by the tests themselves; the reasons are gathered and printed at the end.
import path from 'node:path';
import { build, buildNative, install, nx, root, run } from './setup.mjs';
import { failedTests, projects, vitest } from './test-projects.mjs';

install();
buildNative();
build();
nx('checking types', ['run-many', '-t', 'typecheck', '--parallel=2', '--outputStyle=static']);
run('linting', process.execPath, [path.join(root, 'node_modules/eslint/bin/eslint.js'), '.']);

const totals = { passed: 0, failed: 0, skipped: 0 };
const reasons = new Set();
const failures = [];
const unsteady = [];

function test(folder, mode, env) {
  const begin = process.hrtime.bigint();
  let { ok, counted, output } = vitest(folder, mode, env);
  if (!ok) {
    // A second attempt tells a test that fails now and then (a bug, named at the end) from one that fails.
    const failed = failedTests(counted);
    process.stderr.write(`once ${folder} (${mode}): failed, and is run again\n${failed}`);
    const again = vitest(folder, mode, env);
    if (again.ok) unsteady.push(`${folder} (${mode})\n${failed}`);
    ({ ok, counted, output } = again);
  }
  const seconds = (Number(process.hrtime.bigint() - begin) / 1e9).toFixed(1);
  for (const line of output.split('\n')) {
    const match = /skipped: (.+)$/.exec(line.replaceAll(/\u001b\[[0-9;]*m/g, ''));
    if (match) reasons.add(`${folder}: ${line.replaceAll(/\u001b\[[0-9;]*m/g, '').trim()}`);
  }
  totals.passed += counted.numPassedTests;
  totals.failed += counted.numFailedTests;
  totals.skipped += counted.numPendingTests;
  process.stderr.write(`${ok ? 'ok  ' : 'FAIL'} ${folder} (${mode}): ${counted.numPassedTests} passed, ${counted.numFailedTests} failed, ${counted.numPendingTests} skipped, ${seconds} s\n`);
  if (!ok) {
    // First, because a log that is cut keeps its head.
    const failed = failedTests(counted);
    failures.push(`${folder} (${mode})\n${failed}`);
    process.stderr.write(`${failed}${output}`);
  }
}

const only = process.argv.slice(2);
for (const folder of projects) {
  if (only.length > 0 && !only.some((word) => folder.includes(word))) continue;
  test(folder, 'native', {});
}
// These never choose between the addon and portable TypeScript, or need the addon for all that they do: once is enough.
const nativeOnly = ['packages/cli', 'packages/glusterd', 'packages/fuse-bridge', 'packages/xlator-posix', 'tools/interop', 'tools/xdrgen'];
for (const folder of projects) {
  if (only.length > 0 && !only.some((word) => folder.includes(word))) continue;
  if (nativeOnly.includes(folder)) {
    process.stderr.write(`--   ${folder} (portable): not run again, it has nothing to do with portable mode\n`);
    continue;
  }
  test(folder, 'portable', { GLUSTERTS_PORTABLE: '1' });
}

process.stderr.write(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped\n`);
if (reasons.size > 0) process.stderr.write(`Skipped, and why:\n${[...reasons].sort().map((reason) => `  ${reason}\n`).join('')}`);
if (unsteady.length > 0) process.stderr.write(`Failed once and passed when run again (each is a bug, in the code or in the test):\n${unsteady.join('')}`);
if (failures.length > 0) {
  process.stderr.write(`Failed:\n${failures.join('')}`);
  process.exit(1);
}
