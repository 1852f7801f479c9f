import { defineConfig } from 'vitest/config';
import { base } from '../../vitest.config.base.ts';

// Whole clusters on one machine: one after the other, or they take each other's processor.
export default defineConfig({ ...base, test: { ...base.test, testTimeout: 300_000, hookTimeout: 120_000, maxWorkers: 1, fileParallelism: false } });
