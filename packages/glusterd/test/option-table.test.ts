import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { OptionRecord } from '../src/options/option-record.js';
import { optionTable } from '../src/options/option-table.js';

interface Recorded {
  readonly key: string;
  readonly xlator: string;
  readonly option?: string;
  readonly op_version: number;
  readonly type?: string;
  readonly flags?: readonly string[];
  readonly volfile_default?: string;
  readonly validated?: true;
}

const recorded: readonly Recorded[] = JSON.parse(readFileSync(join(import.meta.dirname, 'vectors/volume-options.json'), 'utf8'));

/** A record of ours in the recording's form: the option's name is left out where it is the key's last part. */
function asRecorded(record: OptionRecord): Omit<Recorded, 'validated'> {
  const flags = [...(record.client ? ['CLIENT_OPT'] : []), ...(record.togglesXlator ? ['XLATOR_OPT'] : []), ...(record.force ? ['FORCE'] : []), ...(record.neverReset ? ['NEVER_RESET'] : [])];
  return {
    key: record.key,
    xlator: record.xlator,
    option: record.option,
    op_version: record.opVersion,
    ...(record.doc === undefined ? {} : { type: record.doc }),
    flags,
    ...(record.volfileDefault === undefined ? {} : { volfile_default: record.volfileDefault }),
  };
}

function complete({ validated: _, type, ...record }: Recorded): Omit<Recorded, 'validated'> {
  const { key, flags = [] } = record;
  return { ...record, option: record.option ?? key.slice(key.lastIndexOf('.') + 1), flags: [...flags].sort(), ...(type === undefined || type === 'DOC' ? {} : { type }) };
}

describe('the option table of the real glusterd', () => {
  test('has the same records in the same order', () => {
    expect(optionTable.map(({ key, xlator }) => `${key} ${xlator}`)).toEqual(recorded.map(({ key, xlator }) => `${key} ${xlator}`));
  });

  test('each record reaches the same option, by the same rules', () => {
    expect(optionTable.map(asRecorded).map((record) => ({ ...record, flags: [...(record.flags ?? [])].sort() }))).toEqual(recorded.map(complete));
  });

  test('what glusterd itself checks beyond the type is marked', () => {
    const marked = (keys: readonly { readonly key: string }[]): string[] => [...new Set(keys.map(({ key }) => key))];
    expect(marked(optionTable.filter(({ check }) => check !== undefined))).toEqual(expect.arrayContaining(marked(recorded.filter(({ validated }) => validated === true))));
  });
});
