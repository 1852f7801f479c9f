import { GlusterLogger, Graph, type GraphOptions, GfEvent, type XlatorDefinition, XlatorLoader, createPlatform } from '@glusterts/libglusterfs';

/**
 * A graph of a volfile, made only of the given xlators, activated and settled. Throws when its children don't come up.
 * @param lines receives the log, if given
 */
export async function testGraph(volfile: string, definitions: readonly XlatorDefinition[], options: Partial<GraphOptions> & { lines?: string[] } = {}): Promise<Graph> {
  const platform = options.platform ?? createPlatform();
  const log = GlusterLogger.create('test', { sink: (line) => options.lines?.push(line), clock: platform.clock });
  const graph = await Graph.load(volfile, { loader: new XlatorLoader().add(...definitions), log, ...options, platform });
  const settled = graph.whenSettled();
  await graph.activate();
  if ((await settled) !== GfEvent.CHILD_UP) throw new Error('the graph did not come up');
  return graph;
}
