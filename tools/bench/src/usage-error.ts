/** What the command line says is wrong: told without a stack, with the way to the help. */
export class UsageError extends Error {}
