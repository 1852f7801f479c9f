import { type Bytes, Dict } from '@glusterts/libglusterfs';
import { type GfCliRsp, GlusterCli } from '@glusterts/rpc-xdr';
import { type Command, CommandFailure, type CommandRun, dictOf } from '../session.js';
import { leaf } from '../xml.js';

const ENOENT = 2;
const GROUPS = '/var/lib/glusterd/groups';

/** `volume set` (spec/cli.md, §6.6). */
export const setOptions: Command = async (run) => {
  const [name, ...rest] = run.words.slice(2);
  if (name === undefined) throw run.usage();
  if (rest.length === 0 && (name === 'help' || name === 'help-xml')) return setHelp(run, name);
  const isGroup = rest.length === 2 && rest[0] === 'group';
  const pairs = isGroup ? readGroup(run, rest[1] ?? '') : readPairs(run, rest);
  if (!isGroup) run.commandText = [...run.words.slice(0, 3), ...pairs.flat()].join(' ');
  await askAbout(run, pairs);
  const request = new Dict().setStr('volname', name as Bytes);
  if (name === 'all') request.setStr('globalname', 'All').setInt('hold_global_locks', 1);
  pairs.forEach(([key, value], at) => request.setStr(`key${at + 1}`, key as Bytes).setStr(`value${at + 1}`, value as Bytes));
  request.setInt('count', isGroup ? pairs.length : pairs.length * 2);
  const reply = await run.request(GlusterCli.SET_VOLUME, request);
  if (run.options.xml) return run.xml(reply, [leaf('cliOp', 'volSet'), leaf('output', reply.op_ret === 0 ? 'Set volume successful' : 'Set volume unsuccessful')]);
  if (reply.op_ret !== 0) throw run.fail(`volume set: failed${reply.op_errstr === '' ? '' : `: ${reply.op_errstr}`}`);
  run.out('volume set: success');
  for (const [key, value] of pairs) {
    const debugging = (key === 'debug.trace' || key === 'debug.error-gen') && value !== 'client';
    if (debugging || /^user\.xlator\.[^.]*$/.test(key)) {
      run.out(`${key} translator has been added to the server volume file. Please restart the volume for enabling the translator`);
    }
  }
};

async function setHelp(run: CommandRun, word: string): Promise<void> {
  const reply = await run.request(GlusterCli.SET_VOLUME, new Dict().setStr('volname', word as Bytes).setStr(word, word as Bytes).setInt('count', 0));
  if (reply.op_ret !== 0) throw run.fail(`volume set: failed${reply.op_errstr === '' ? '' : `: ${reply.op_errstr}`}`);
  run.out(dictOf(reply).getStr('help-str') ?? '');
}

function readPairs(run: CommandRun, words: readonly string[]): [string, string][] {
  if (words.length === 0 || words.length % 2 !== 0) throw run.usage();
  const pairs: [string, string][] = [];
  for (let at = 0; at < words.length; at += 2) {
    const key = words[at] ?? '';
    const typed = words[at + 1] ?? '';
    const value = key.startsWith('user.') ? typed : typed.trim();
    if (value === '' || key === '' || key === 'group') throw run.usage();
    pairs.push([key, value]);
  }
  return pairs;
}

function readGroup(run: CommandRun, group: string): [string, string][] {
  const path = `${GROUPS}/${group}`;
  const file = run.io.readFile(path);
  if ('error' in file) throw run.fail(`Unable to open file '${path}'. Error: ${file.error}`);
  const lines = file.text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const pairs = lines.map((line): [string, string] => [line.slice(0, Math.max(line.indexOf('='), 0)).trim(), line.slice(line.indexOf('=') + 1).trim()]);
  if (pairs.length === 0 || pairs.some(([key, value]) => key === '' || value === '')) throw run.fail(`'${path}' file format not valid.`);
  return pairs;
}

async function askAbout(run: CommandRun, pairs: readonly (readonly [string, string])[]): Promise<void> {
  const off = ['off', 'no', 'false', 'disable', '0'];
  const has = (key: string, values: readonly string[]): boolean => pairs.some(([name, value]) => name === key && values.includes(value.toLowerCase()));
  const question = has('nfs.disable', off)
    ? 'Gluster NFS is being deprecated in favor of NFS-Ganesha Enter "yes" to continue using Gluster NFS'
    : has('cluster.enable-shared-storage', ['disable'])
      ? 'Disabling cluster.enable-shared-storage will delete the shared storage volume(gluster_shared_storage), which is used by snapshot scheduler, geo-replication and NFS-Ganesha. Do you still want to continue?'
      : undefined;
  if (question !== undefined && !(await run.confirm(question))) throw run.fail('Aborted by user.');
}

/** `volume reset`. */
export const resetOptions: Command = async (run) => {
  const [name, first, second, ...more] = run.words.slice(2);
  if (name === undefined || more.length > 0 || (second !== undefined && second !== 'force')) throw run.usage();
  const force = first === 'force' || second === 'force';
  const key = first === undefined || first === 'force' ? 'all' : first;
  const request = new Dict().setStr('volname', name as Bytes);
  if (force) request.setInt('force', 1);
  const reply = await run.request(GlusterCli.RESET_VOLUME, request.setStr('key', key as Bytes));
  const text = reply.op_errstr === '' ? (reply.op_ret === 0 ? 'reset volume successful' : 'reset volume unsuccessful') : reply.op_errstr;
  if (run.options.xml) return run.xml(reply, [leaf('cliOp', 'volReset'), leaf('output', text)]);
  if (reply.op_ret !== 0) throw run.fail(`volume reset: failed: ${text}`);
  run.out(`volume reset: success: ${text}`);
};

/** `volume get`. */
export const getOptions: Command = async (run) => {
  const [name, key, ...more] = run.words.slice(2);
  if (name === undefined || key === undefined || more.length > 0) throw run.usage();
  const reply = await run.request(GlusterCli.GET_VOL_OPT, new Dict().setStr('volname', name as Bytes).setStr('key', key as Bytes));
  if (reply.op_ret !== 0) return refuseGet(run, reply);
  const dict = dictOf(reply);
  const pairs: (readonly [string, string])[] = [];
  const line = (option: string, value: string): void => run.out(`${option.padEnd(40)} ${value.padEnd(39)}`);
  const warning = dict.getStr('warning');
  if (!run.options.xml) {
    if (warning !== undefined) run.out(warning);
    line('Option', 'Value');
    line('------', '-----');
  }
  for (let at = 1; at <= (dict.getNumber('count') ?? 0); at++) {
    const option = dict.getStr(`key${at}`);
    const value = dict.getStr(`value${at}`);
    if (option === undefined || value === undefined) {
      run.out('volume get option failed. Check the cli/glusterd log file for more details');
      throw new CommandFailure(ENOENT);
    }
    pairs.push([option, value]);
  }
  if (run.options.xml) {
    const options = pairs.map(([option, value]) => ({ name: 'Opt', children: [leaf('Option', option), leaf('Value', value)] }));
    return run.xml(reply, [{ name: 'volGetopts', children: [leaf('count', pairs.length), ...options] }]);
  }
  for (const [option, value] of pairs) line(option, value);
};

function refuseGet(run: CommandRun, reply: GfCliRsp): never {
  const text = `volume get option: failed${reply.op_errstr === '' ? '' : `: ${reply.op_errstr}`}`;
  if (run.options.xml) run.xml(reply, [leaf('cliOp', 'volGetopts'), leaf('output', text)]);
  else run.err(text);
  throw new CommandFailure(-reply.op_ret & 0xff);
}
