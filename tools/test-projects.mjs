// What `npm test` and `npm run test:switched` share: which projects have tests, and one run of vitest in one of them.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { root } from './setup.mjs';

/** Folders below the root, of every package, app and tool with tests. */
export const projects = ['packages', 'apps', 'tools']
  .flatMap((folder) => readdirSync(path.join(root, folder)).map((name) => path.join(folder, name)))
  .filter((folder) => existsSync(path.join(root, folder, 'vitest.config.ts')) && existsSync(path.join(root, folder, 'test')));

const reports = mkdtempSync(path.join(tmpdir(), 'glusterts-test-'));
process.on('exit', () => rmSync(reports, { recursive: true, force: true }));

/** The tests that failed: file, name and the head of the message. A file that could not even be run stands without a name. */
export function failuresOf(report) {
  const failures = [];
  for (const file of report.testResults ?? []) {
    const name = path.relative(root, file.name);
    if (file.message) failures.push({ file: name, message: file.message });
    for (const test of file.assertionResults ?? []) {
      if (test.status === 'failed') failures.push({ file: name, test: test.fullName, message: test.failureMessages.join('\n').split('\n').filter((line) => !line.includes('node_modules')).slice(0, 12).join('\n    ') });
    }
  }
  return failures;
}

/** `FILE > NAME` of each that passed. */
export function passesOf(report) {
  return (report.testResults ?? []).flatMap((file) => (file.assertionResults ?? []).filter(({ status }) => status === 'passed').map(({ fullName }) => `${path.relative(root, file.name)} > ${fullName}`));
}

/** The first of the failures as lines. */
export function failedTests(report) {
  return failuresOf(report).map(({ file, test, message }) => (test === undefined ? `${file}: ${message}` : `${file} > ${test}\n    ${message}`)).slice(0, 20).map((line) => `  ✗ ${line}\n`).join('');
}

/** One project's tests (or those of some files of it), counted by vitest's JSON report. */
export function vitest(folder, mode, env, files = []) {
  const report = path.join(reports, `${folder.replaceAll('/', '-')}-${mode}.json`);
  rmSync(report, { force: true });
  const result = spawnSync(process.execPath, [path.join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...files], {
    cwd: path.join(root, folder), encoding: 'utf8', maxBuffer: 1 << 28, env: { ...process.env, CI: '1', ...env },
  });
  const counted = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : { numPassedTests: 0, numFailedTests: 1, numPendingTests: 0 };
  return { ok: result.status === 0, counted, output: `${result.stdout ?? ''}${result.stderr ?? ''}` };
}
