interface Entry {
  readonly port: number;
  readonly names: Set<string>;
  /** Who signed in; undefined: restored from a pid file at start. */
  readonly owner: object | undefined;
}

/** Which brick listens where, in memory only (spec/glusterd.md, §8). */
export class Portmap {
  #entries: Entry[] = [];

  signIn(name: string, port: number, owner: object | undefined): void {
    const entry = this.#entries.find((other) => other.port === port && other.owner === owner);
    if (entry) {
      entry.names.add(name);
      return;
    }
    this.#entries = this.#entries.filter((other) => !(other.port === port || (other.names.has(name) && other.owner === undefined)));
    this.#entries.unshift({ port, names: new Set([name]), owner });
  }

  signOut(name: string, port: number): void {
    for (const entry of this.#entries) if (entry.port === port) entry.names.delete(name);
    this.#entries = this.#entries.filter((entry) => entry.names.size > 0);
  }

  /** Forgets a brick, wherever it was. */
  forget(name: string): void {
    for (const entry of this.#entries) entry.names.delete(name);
    this.#entries = this.#entries.filter((entry) => entry.names.size > 0);
  }

  /** Forgets all that came over a connection. */
  disconnected(owner: object): void {
    this.#entries = this.#entries.filter((entry) => entry.owner !== owner);
  }

  /** The port of a brick; undefined when it isn't registered. */
  find(name: string): number | undefined {
    return this.#entries.find((entry) => entry.names.has(name))?.port;
  }

  isTaken(port: number): boolean {
    return this.#entries.some((entry) => entry.port === port);
  }
}
