import { type Bytes, Dict } from '@glusterts/libglusterfs';
import { GlusterCli, GlusterHandshake, GlusterPortmap } from '@glusterts/rpc-xdr';
import { type Command, CommandFailure, dictOf } from '../session.js';
import { leaf } from '../xml.js';

const MAX_OP_VERSION = 100000;

/** `system:: getspec` prints a volfile; it says nothing when there is none. */
export const getspec: Command = async (run) => {
  const [id, ...more] = run.words.slice(2);
  if (id === undefined || more.length > 0) throw run.usage();
  const xdata = new Dict().setInt('min-op-version', 1).setInt('max-op-version', MAX_OP_VERSION);
  const reply = await run.call(GlusterHandshake.GETSPEC, { flags: 0, key: id as Bytes, xdata });
  if (reply.op_ret < 0) throw new CommandFailure(1);
  run.out(reply.spec);
};

/** `system:: portmap brick2port`. */
export const brickToPort: Command = async (run) => {
  const [brick, ...more] = run.words.slice(3);
  if (brick === undefined || more.length > 0) throw run.usage();
  const reply = await run.call(GlusterPortmap.PORTBYBRICK, { brick: brick as Bytes });
  if (reply.op_ret < 0) throw new CommandFailure(1);
  run.out(String(reply.port));
};

/** `system:: getwd`. */
export const getwd: Command = async (run) => {
  if (run.words.length > 2) throw run.usage();
  const reply = await run.call(GlusterCli.GETWD, { unused: 0 });
  if (reply.op_ret !== 0) throw run.fail('getwd failed');
  run.out(reply.wd);
};

/** `system:: uuid get`. */
export const uuidGet: Command = async (run) => {
  if (run.words.length > 3) throw run.usage();
  const reply = await run.request(GlusterCli.UUID_GET, new Dict());
  const uuid = dictOf(reply).getStr('uuid');
  if (run.options.xml) return run.xml(reply, [{ name: 'uuidGenerate', children: [leaf('uuid', uuid)] }]);
  if (reply.op_ret !== 0) throw run.fail(reply.op_errstr === '' ? 'Failed to get uuid of glusterd' : reply.op_errstr);
  run.out(`UUID: ${uuid}`);
};

const DUMPS = ['all', 'mem', 'iobuf', 'callpool', 'priv', 'fd', 'inode', 'history', 'nfs', 'quotad', 'inodectx', 'fdctx'];

/** `volume statedump` (spec/cli.md, §6.14). */
export const statedump: Command = async (run) => {
  const [name, ...words] = run.words.slice(2);
  if (name === undefined) throw run.usage();
  let options = words.map((word) => `${word} `).join('');
  let count = words.length;
  if (words[0] === 'client') {
    const match = /^(.+):([0-9]+)$/.exec(words[1] ?? '');
    if (!match || words.length !== 2) return badOptions();
    options = `client ${match[1]} ${match[2]}`;
    count = 3;
  } else if (words.some((word) => !DUMPS.some((dump) => dump === word))) return badOptions();
  const request = new Dict().setStr('options', options as Bytes).setInt('option_cnt', count).setStr('volname', name as Bytes);
  const reply = await run.request(GlusterCli.STATEDUMP_VOLUME, request);
  if (run.options.xml) return run.xml(reply, [leaf('cliOp', 'volStatedump'), ...(reply.op_ret === 0 ? [leaf('output', 'success')] : [])]);
  if (reply.op_ret !== 0) throw run.fail(`volume statedump: failed: ${reply.op_errstr}`);
  run.out('volume statedump: success');

  function badOptions(): never {
    run.out('Error parsing options');
    throw run.usage();
  }
};
