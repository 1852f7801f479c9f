/**
 * What every xlator and every graph must do: a vitest suite of POSIX behaviour, and a driver that makes fops of paths.
 *
 * ```
 * import { complianceSuite } from '@glusterts/xlator-compliance';
 *
 * complianceSuite({ name: 'my xlator over memory', makeGraph: async () => testGraph(volfile, [...memory, ...mine]) });
 * ```
 *
 * @packageDocumentation
 */
export { type ComplianceOptions, type Feature, complianceSuite } from './suite.js';
export { GraphDriver, type Listing } from './graph-driver.js';
export { expectErrno } from './expect-errno.js';
export { testGraph } from './test-graph.js';
export { runModel, TreeModel } from './model.js';
export { pattern } from './io.js';
