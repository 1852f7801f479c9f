// `npm run test:switched [-- NAMES] [--only PROJECTS]`: the tests once for each performance xlator, which is switched to the contrary
// of its default in every client and brick that they start. NAMES: some of them, `a+b` for two at once, `none` for a run to compare with.
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build, buildNative, install, root } from './setup.mjs';
import { NEEDS } from './switched/needs.mjs';
import { SWITCHES } from './switched/volfile.mjs';
import { failuresOf, passesOf, projects, vitest } from './test-projects.mjs';

/** `--only mounts`: those whose tests start mounts, bricks or programs with volfiles of a glusterd. In the others nothing is switched. */
const MOUNTS = ['packages/cli', 'packages/daemon', 'packages/fuse-bridge', 'packages/gfapi', 'packages/glusterd', 'packages/xlator-dht', 'packages/xlator-ec', 'packages/xlator-posix', 'apps/', 'tools/interop'];

const words = process.argv.slice(2);
const only = words.includes('--only') ? words.splice(words.indexOf('--only')).slice(1).flatMap((word) => word.split(',')).flatMap((word) => (word === 'mounts' ? MOUNTS : [word])) : [''];
const runs = words.length > 0 ? words : [...SWITCHES.keys()];
const unknown = runs.flatMap((run) => run.split('+')).find((name) => name !== 'none' && !SWITCHES.has(name));
/** Of a project that is named by nothing but files of it, those files. */
const filesOf = (folder) => (only.some((word) => folder.includes(word)) ? [] : only.filter((word) => word.startsWith(`${folder}/`)).map((word) => path.relative(folder, word)));
const chosen = projects.filter((folder) => only.some((word) => folder.includes(word) || word.startsWith(`${folder}/`)));
if (unknown !== undefined || chosen.length === 0) {
  process.stderr.write(`usage: npm run test:switched [-- NAMES] [--only PROJECTS]\nNAMES: ${[...SWITCHES.keys()].join(', ')}, or none; a+b for two at once. PROJECTS: words of folders, test files, or mounts\n`);
  process.exit(2);
}

install();
buildNative();
build();

const state = mkdtempSync(path.join(tmpdir(), 'glusterts-switched-'));
process.on('exit', () => rmSync(state, { recursive: true, force: true }));
const countFile = path.join(state, 'graphs');

const titleOf = (run) => run.split('+').map((name) => (name === 'none' ? 'as it is' : `${name} ${SWITCHES.get(name) === 'on' ? 'off' : 'on'}`)).join(', ');
const nameOf = ({ file, test }) => (test === undefined ? file : `${file} > ${test}`);
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(0)} s`;

/** Why a test is allowed to fail in this run. */
function reasonFor(run, test) {
  const names = run.split('+');
  return NEEDS.find((need) => need.switches.some((name) => names.includes(name)) && need.test.test(test))?.reason;
}

/** All chosen projects with these switched. */
function test(run) {
  const began = performance.now();
  const totals = { run, passed: 0, failed: [], skipped: 0, needs: [], needless: [], unsteady: [], graphs: 0 };
  const env = {
    GLUSTERTS_SWITCHED: run, GLUSTERTS_SWITCHED_COUNT: countFile, NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${path.join(root, 'tools/switched/preload.mjs')}`.trim(),
  };
  for (const folder of chosen) {
    const begin = performance.now();
    writeFileSync(countFile, '');
    const first = vitest(folder, run, env, filesOf(folder));
    let failures = failuresOf(first.counted);
    if (!first.ok && failures.length === 0) failures.push({ file: folder, message: first.output.slice(-2000) });
    const needs = failures.map((failure) => ({ ...failure, reason: reasonFor(run, nameOf(failure)) })).filter(({ reason }) => reason !== undefined);
    failures = failures.filter((failure) => reasonFor(run, nameOf(failure)) === undefined);
    let unsteady = [];
    if (failures.length > 0) {
      // A second attempt of those files tells a test that fails now and then from one that fails.
      const files = [...new Set(failures.map(({ file }) => path.relative(folder, file)))].filter((file) => file !== '');
      const again = failuresOf(vitest(folder, `${run}-again`, env, files).counted).map(nameOf);
      unsteady = failures.filter((failure) => !again.includes(nameOf(failure)) && failure.file !== folder);
      failures = failures.filter((failure) => !unsteady.includes(failure));
    }
    const graphs = statSync(countFile).size;
    process.stderr.write(`  ${failures.length > 0 ? 'FAIL' : 'ok  '} ${folder}: ${first.counted.numPassedTests} passed, ${failures.length} failed, ${first.counted.numPendingTests} skipped, ${graphs} graphs switched, ${seconds(begin)}\n`);
    for (const failure of failures) process.stderr.write(`    ✗ ${nameOf(failure)}\n    ${failure.message}\n`);
    for (const failure of unsteady) process.stderr.write(`    ? ${nameOf(failure)}\n    ${failure.message}\n`);
    totals.passed += first.counted.numPassedTests + unsteady.length;
    totals.skipped += first.counted.numPendingTests;
    totals.graphs += graphs;
    totals.failed.push(...failures);
    totals.needs.push(...needs);
    totals.needless.push(...passesOf(first.counted).filter((name) => reasonFor(run, name) !== undefined));
    totals.unsteady.push(...unsteady);
  }
  totals.seconds = seconds(began);
  return totals;
}

const results = [];
for (const run of runs) {
  process.stderr.write(`\n${titleOf(run)}\n`);
  results.push(test(run));
}
for (const { run, passed, failed, skipped, needs, needless, unsteady, graphs, seconds: took } of results) {
  process.stdout.write(`\n${titleOf(run)}: ${passed} passed, ${failed.length} failed, ${skipped} skipped, ${needs.length} need it; ${graphs} graphs switched, ${took}\n`);
  for (const failure of failed) process.stdout.write(`  failed: ${nameOf(failure)}\n`);
  for (const failure of unsteady) process.stdout.write(`  failed once, and passed when run again: ${nameOf(failure)}\n`);
  for (const failure of needs) process.stdout.write(`  needs it: ${nameOf(failure)}: ${failure.reason}\n`);
  for (const name of needless) process.stdout.write(`  said to need it, yet it passed: ${name}\n`);
}
process.exit(results.some(({ failed }) => failed.length > 0) ? 1 : 0);
