/** glusterfsd: a brick. */
import { runGlusterfs } from '@glusterts/daemon';

await runGlusterfs('glusterfsd', process.argv.slice(2));
