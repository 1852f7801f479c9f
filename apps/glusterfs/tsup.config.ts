import { defineConfig } from 'tsup';
import { base } from '../../tsup.config.base.ts';

export default defineConfig({ ...base, entry: { main: 'src/main.ts', 'mount-helper': 'src/mount-helper.ts' } });
