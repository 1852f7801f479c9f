import { defineConfig } from 'tsup';
import { base } from '../../tsup.config.base.ts';

export default defineConfig({ ...base, entry: { main: 'src/main.ts', 'connection-client': 'src/connections/client.ts', 'reed-solomon': 'src/micro/reed-solomon.ts' } });
