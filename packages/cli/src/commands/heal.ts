import { type Bytes, Dict } from '@glusterts/libglusterfs';
import { GlusterCli } from '@glusterts/rpc-xdr';
import type { Command } from '../session.js';

interface HealForm {
  readonly op: number;
  readonly what: string;
  /** What follows `has been successful `. */
  readonly tail?: string;
}

const LAUNCHED = '\nUse heal info commands to check status.';
const forms: Readonly<Record<string, HealForm>> = {
  '': { op: 1, what: 'Launching heal operation to perform index self heal', tail: LAUNCHED },
  full: { op: 2, what: 'Launching heal operation to perform full self heal', tail: LAUNCHED },
  enable: { op: 12, what: 'Enable heal' },
  disable: { op: 13, what: 'Disable heal' },
};
/** Forms of a healer that isn't built: they ask the self-heal daemon, or glfsheal. */
const UNBUILT = new Set(['info', 'statistics', 'split-brain', 'granular-entry-heal']);

/** `volume heal V [full|enable|disable]` (spec/cli.md, §6.11); --xml changes nothing. */
export const healVolume: Command = async (run) => {
  const [name, word = '', ...more] = run.words.slice(2);
  if (name === undefined) throw run.usage();
  if (UNBUILT.has(word)) throw run.fail(`volume heal ${word}: not supported by this version of glusterts`);
  const form = Object.hasOwn(forms, word) ? forms[word] : undefined;
  if (form === undefined || more.length > 0) throw run.usage();
  const reply = await run.request(GlusterCli.HEAL_VOLUME, new Dict().setStr('volname', name as Bytes).setInt('heal-op', form.op));
  if (reply.op_ret !== 0) throw run.fail(`${form.what} on volume ${name} has been unsuccessful:${reply.op_errstr === '' ? '' : `\n${reply.op_errstr}`}`);
  run.out(`${form.what} on volume ${name} has been successful ${form.tail ?? ''}`);
};
