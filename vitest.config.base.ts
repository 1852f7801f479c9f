import type { ViteUserConfig } from 'vitest/config';

/** Tests read the packages' sources, never their builds: the condition below selects `src` in every package.json. */
export const base: ViteUserConfig = {
  resolve: { conditions: ['@glusterts/source', 'node', 'import', 'default'] },
  ssr: { resolve: { conditions: ['@glusterts/source', 'node', 'import', 'default'], externalConditions: ['@glusterts/source'] } },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // A busy machine may take its time: what is waited for comes, or the test's own limit ends it.
    expect: { poll: { timeout: 20_000 } },
    pool: 'forks',
    maxWorkers: 2,
    // Daemons that tests start shall be ready soon; what tests rehearsals turns them on.
    env: { GLUSTERTS_REHEARSAL: '0' },
    passWithNoTests: true,
    server: { deps: { inline: [/@glusterts\//] } },
  },
};
