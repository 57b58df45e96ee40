/**
 * Commands on their way to the hub.
 *
 * Invariant: each command is answered exactly once to whoever gave it, and is written again, with the same
 * id, until the hub has answered; the hub carries out an id once, however often it comes.
 */

import { Backoff } from "./backoff.js";

export const COMMANDS_MAX = 200;
const IN_FLIGHT_DEFAULT = 16;
const TRIES_MAX = 8;
/** Who is told to wait longer than this hears of it at once: a person would rather know. */
const RETRY_WITHIN_MS = 60_000;

/** The hub, or this client, will not carry a command out. `message` says what to do. */
export class CommandError extends Error {
  /**
   * @param {string} code an error code of the protocol
   * @param {string} message
   * @param {number} [retryAfterMs]
   */
  constructor(code, message, retryAfterMs) {
    super(message);
    this.name = "CommandError";
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * @typedef {{load(): object[], save(commands: object[]): void}} OutboxStore
 * @typedef {object} Item
 * @property {any} command
 * @property {number} ref
 * @property {boolean} isSent
 * @property {number} tries
 * @property {Backoff} backoff
 * @property {any} timer set while it waits to be tried again
 * @property {(ok: any) => void} resolve
 * @property {(error: Error) => void} reject
 */

export class Outbox {
  /** @type {Map<number, Item>} in the order in which they were given */
  #items = new Map();
  #nextRef = 1;
  #send = null;
  #inFlightMax = IN_FLIGHT_DEFAULT;
  #store;
  #random;
  /** @type {{command: any, done: Promise<any>}[]} what an earlier page could not bring to an end */
  restored;

  /**
   * @param {OutboxStore} store what has an `id` of its own outlives the page
   * @param {() => number} random
   */
  constructor(store, random = Math.random) {
    this.#store = store;
    this.#random = random;
    this.restored = store.load().map((command) => ({ command, done: this.add(command) }));
  }

  get size() {
    return this.#items.size;
  }

  /**
   * Take *command* (without `ref`) on its way.
   * @param {any} command
   * @returns {Promise<any>} the `ok`; rejects with `CommandError`
   */
  add(command) {
    if (this.#items.size >= COMMANDS_MAX) {
      return Promise.reject(new CommandError("unavailable", "Too much is waiting to be sent. Try again once you are connected."));
    }
    const ref = this.#nextRef++;
    const { promise, resolve, reject } = withResolvers();
    const backoff = new Backoff(this.#random);
    this.#items.set(ref, { command, ref, isSent: false, tries: 0, backoff, timer: undefined, resolve, reject });
    this.#save();
    this.#pump();
    return promise;
  }

  /**
   * The session is open: everything unanswered goes out, oldest first.
   * @param {(message: object) => void} send
   * @param {number} inFlightMax how many commands the hub takes at once
   */
  connected(send, inFlightMax = IN_FLIGHT_DEFAULT) {
    this.#send = send;
    this.#inFlightMax = inFlightMax;
    for (const item of this.#items.values()) item.isSent = false;
    this.#pump();
  }

  /** The connection is gone, and with it the answers to what was sent. */
  disconnected() {
    this.#send = null;
  }

  /** A reply of the hub; one to somebody else's `ref` is ignored. */
  answered(reply) {
    const item = this.#items.get(reply.ref);
    if (item === undefined || !item.isSent) return;
    if (reply.type === "ok") {
      this.#settle(item);
      item.resolve(reply);
    } else if (this.#mayRetry(item, reply)) {
      this.#retry(item, reply.retry_after_ms ?? 0);
    } else {
      this.#settle(item);
      item.reject(new CommandError(reply.code, reply.message, reply.retry_after_ms));
    }
    this.#pump();
  }

  /** Nothing is sent any more. What has an id stays in the store for the next start. */
  close() {
    this.disconnected();
    const items = [...this.#items.values()];
    this.#items.clear();
    for (const item of items) {
      clearTimeout(item.timer);
      item.reject(new CommandError("unavailable", "The connection was closed before this was sent."));
    }
  }

  #pump() {
    if (this.#send === null) return;
    let free = this.#inFlightMax;
    for (const item of this.#items.values()) free -= item.isSent ? 1 : 0;
    for (const item of this.#items.values()) {
      if (free <= 0) return;
      if (item.isSent || item.timer !== undefined) continue;
      item.isSent = true;
      item.tries += 1;
      free -= 1;
      this.#send({ ...item.command, ref: item.ref });
    }
  }

  #mayRetry(item, reply) {
    if (!reply.retryable || (reply.retry_after_ms ?? 0) > RETRY_WITHIN_MS) return false;
    // A server that is away comes back; a command that fails for another reason each time may never pass.
    return reply.code === "unavailable" || item.tries < TRIES_MAX;
  }

  #retry(item, retryAfterMs) {
    item.isSent = false;
    item.timer = setTimeout(() => {
      item.timer = undefined;
      this.#pump();
    }, item.backoff.next(retryAfterMs));
  }

  #settle(item) {
    clearTimeout(item.timer);
    this.#items.delete(item.ref);
    this.#save();
  }

  #save() {
    const commands = [...this.#items.values()].map((item) => item.command);
    this.#store.save(commands.filter((command) => command.id !== undefined));
  }
}

/** `Promise.withResolvers`, which browsers of 2023 have not got. */
function withResolvers() {
  let resolve;
  let reject;
  const promise = new Promise((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
