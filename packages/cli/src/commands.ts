import { createVolume } from './commands/create.js';
import { getState } from './commands/get-state.js';
import { healVolume } from './commands/heal.js';
import { groupHelp, helpAll, helpClasses } from './commands/help.js';
import { volumeInfo, volumeList } from './commands/info.js';
import { getOptions, resetOptions, setOptions } from './commands/options.js';
import { peerDetach, peerProbe, peerStatus, poolList } from './commands/peer.js';
import { deleteVolume, startVolume, stopVolume } from './commands/start-stop.js';
import { volumeStatus } from './commands/status.js';
import { brickToPort, getspec, getwd, statedump, uuidGet } from './commands/system.js';
import type { Command } from './session.js';

/** Commands that are built, by their words. The others of the table refuse. */
const commands: Readonly<Record<string, Command>> = {
  'volume create': createVolume,
  'volume start': startVolume,
  'volume stop': stopVolume,
  'volume delete': deleteVolume,
  'volume info': volumeInfo,
  'volume list': volumeList,
  'volume status': volumeStatus,
  'volume set': setOptions,
  'volume reset': resetOptions,
  'volume get': getOptions,
  'volume statedump': statedump,
  'volume heal': healVolume,
  'volume help': groupHelp('volume'),
  'volume bitrot help': groupHelp('bitrot'),
  'volume quota help': groupHelp('quota'),
  'peer status': peerStatus,
  'peer probe': peerProbe,
  'peer detach': peerDetach,
  'peer help': groupHelp('peer'),
  'pool list': poolList,
  'get-state': getState,
  'snapshot help': groupHelp('snapshot'),
  'global help': groupHelp('global'),
  'system:: help': groupHelp('system'),
  'system:: getspec': getspec,
  'system:: portmap brick2port': brickToPort,
  'system:: getwd': getwd,
  'system:: uuid get': uuidGet,
  'help all': helpAll,
  help: (run) => {
    run.io.out(`${helpClasses()}\n`);
    return Promise.resolve();
  },
};

/** The command of these words; what isn't built says so and exits with 1. */
export function findCommand(name: string): Command {
  if (Object.hasOwn(commands, name)) {
    const command = commands[name];
    if (command) return command;
  }
  return (run) => {
    throw run.fail(`${name}: not supported by this version of glusterts`);
  };
}
