import type { Client } from '@glusterts/libglusterfs';

/** A request that waits for its turn. */
export interface QueuedRequest {
  readonly client: Client | undefined;
  /** Winds it; its answer goes to whoever waits for it. */
  run(): void;
  /** It will not be wound. */
  refuse(): void;
}

interface ClientQueue {
  readonly client: Client | undefined;
  readonly requests: QueuedRequest[];
}

/** The waiting requests of one priority: first come first served for each client, and the clients in turn. */
export class RequestQueue {
  /** Only clients that have something waiting; the first has its turn next. */
  readonly #turns: ClientQueue[] = [];
  readonly #byClient = new Map<Client | undefined, ClientQueue>();
  length = 0;

  push(request: QueuedRequest): void {
    let queue = this.#byClient.get(request.client);
    if (!queue) {
      queue = { client: request.client, requests: [] };
      this.#byClient.set(request.client, queue);
      this.#turns.push(queue);
    }
    queue.requests.push(request);
    this.length++;
  }

  shift(): QueuedRequest | undefined {
    const queue = this.#turns.shift();
    const request = queue?.requests.shift();
    if (!queue || !request) return undefined;
    this.length--;
    if (queue.requests.length > 0) this.#turns.push(queue);
    else this.#byClient.delete(queue.client);
    return request;
  }

  /** Takes out all that a client has waiting. */
  take(client: Client): QueuedRequest[] {
    const queue = this.#byClient.get(client);
    if (!queue) return [];
    this.#byClient.delete(client);
    this.#turns.splice(this.#turns.indexOf(queue), 1);
    this.length -= queue.requests.length;
    return queue.requests;
  }
}
