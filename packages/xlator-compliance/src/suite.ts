import { Frame, type Graph } from '@glusterts/libglusterfs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { attributeTests } from './attributes.js';
import { directoryTests } from './directories.js';
import { entryTests } from './entries.js';
import { GraphDriver } from './graph-driver.js';
import { ioTests } from './io.js';
import { lockTests } from './locks.js';
import { modelTests } from './model.js';
import { renameTests } from './renames.js';

/** What a graph under test may lack; the tests of it are left out. */
export type Feature = 'hard-links' | 'xattrs' | 'seek' | 'fallocate' | 'zerofill' | 'locks' | 'device-nodes' | 'sparse-blocks';

/** How to make what is tested, and what it can do. */
export interface ComplianceOptions {
  /** For the suite's title. */
  readonly name: string;
  /** A fresh, empty, activated graph whose children are up. It is taken down with `fini`. */
  makeGraph(): Promise<Graph>;
  readonly without?: readonly Feature[];
  /** The largest offset that the bricks' disk can hold. Default 2^43. */
  readonly largestOffset?: number;
  /** Random operations of the model test. Default 400. 0: none. */
  readonly randomOperations?: number;
  /** Entries of the large directory. Default 1200. */
  readonly manyEntries?: number;
}

/** What the tests of a group are given. */
export interface Bench {
  readonly driver: GraphDriver;
  readonly graph: Graph;
  readonly options: ComplianceOptions;
  has(feature: Feature): boolean;
  /** A path in the test's own directory. */
  at(name: string): string;
}

/**
 * POSIX behaviour that every graph must show, from the top of it: call it in a test file.
 *
 * ```
 * complianceSuite({ name: 'cluster/disperse 4+2', makeGraph: () => sixMemoryBricks() });
 * ```
 */
export function complianceSuite(options: ComplianceOptions): void {
  describe(`POSIX compliance: ${options.name}`, () => {
    let graph: Graph | undefined;
    let driver: GraphDriver | undefined;
    let count = 0;

    beforeAll(async () => {
      graph = await options.makeGraph();
      driver = new GraphDriver(graph.topSubvolume, graph);
      await driver.root();
    });
    beforeEach(async () => {
      count++;
      if (driver) driver.frame = new Frame({ pid: 1000, lk_owner: driver.frame.lk_owner });
      await driver?.mkdir(`/t${count}`);
      // Some tests ask as somebody else, and bricks check permissions.
      await driver?.chmod(`/t${count}`, 0o777);
    });
    afterAll(async () => {
      await graph?.fini();
    });

    const bench: Bench = {
      options,
      get driver() {
        if (!driver) throw new Error('the graph did not come up');
        return driver;
      },
      get graph() {
        if (!graph) throw new Error('the graph did not come up');
        return graph;
      },
      has: (feature) => !options.without?.includes(feature),
      at: (name) => `/t${count}/${name}`,
    };
    entryTests(bench);
    renameTests(bench);
    ioTests(bench);
    directoryTests(bench);
    attributeTests(bench);
    lockTests(bench);
    modelTests(bench);

    it('leaves no iobuf behind', async () => {
      await bench.driver.writeFile(bench.at('f'), new Uint8Array(200_000).fill(7));
      await bench.driver.readFile(bench.at('f'));
      // What a cache keeps it gives back when it is told that the file is another.
      for (const inode of bench.graph.inodeTable.inodes()) bench.graph.invalidate(inode);
      expect(bench.graph.iobufs.active).toBe(0);
    });
  });
}
