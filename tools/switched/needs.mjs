// Tests that by their very meaning need an xlator as glusterd has it by default. They are run all the same; their failure counts as
// "needs it", and one that passes nevertheless is named, so that this list stays true.

/** `switches`: names as in volfile.mjs; `test`: matches `FILE > NAME`. */
export const NEEDS = [
  { switches: ['io-cache'], test: /^packages\/fuse-bridge\/.* > a mount lives with many processes at once$/, reason: 'counts the buffers in use while the mount lives, and io-cache keeps in them what was read' },
];
