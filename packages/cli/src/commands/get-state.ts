import { type Bytes, Dict } from '@glusterts/libglusterfs';
import { GlusterCli } from '@glusterts/rpc-xdr';
import { type Command, dictOf } from '../session.js';

const EXTENTS: Readonly<Record<string, number>> = { detail: 1, volumeoptions: 2 };

/** `get-state` (spec/cli.md, §6.20). */
export const getState: Command = async (run) => {
  const words = run.words.slice(1);
  const request = new Dict().setStr('daemon', 'glusterd' as Bytes);
  // An extent is one only where it stands last.
  const isKeyword = words[0] === 'odir' || words[0] === 'file' || (words.length === 1 && Object.hasOwn(EXTENTS, words[0] ?? ''));
  if (words[0] !== undefined && !isKeyword) {
    if (words[0] !== 'glusterd') throw run.usage('glusterd is the only supported daemon.');
    words.shift();
  }
  const value = (keyword: string): string | undefined => {
    if (words[0] !== keyword) return undefined;
    const [, text] = words.splice(0, 2);
    if (text === undefined) throw run.usage();
    return text;
  };
  const directory = value('odir');
  if (directory !== undefined) request.setStr('odir', directory as Bytes);
  const file = value('file');
  if (file !== undefined) request.setStr('filename', file as Bytes);
  const extent = words.shift();
  if (extent !== undefined) {
    const number = Object.hasOwn(EXTENTS, extent) ? EXTENTS[extent] : undefined;
    if (number === undefined || words.length > 0) throw run.usage();
    request.setInt('getstate-cmd', number);
  }
  const reply = await run.request(GlusterCli.GET_STATE, request);
  if (reply.op_ret !== 0) throw run.fail(`Failed to get daemon state: ${reply.op_errstr}`);
  const dict = dictOf(reply);
  run.out(`${dict.getStr('daemon') ?? ''} state dumped to ${dict.getStr('ofilepath') ?? ''}`);
};
