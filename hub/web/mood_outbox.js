/**
 * Moods on their way to the disk of the hub.
 *
 * Invariant: a mood is sent, always with the same id, until the hub says that it is saved or never will be; until
 * then this browser keeps it, also when the page is loaded anew. An `ok` says only that it is queued.
 */

import { Backoff } from "./backoff.js";
import { Changing } from "./changes.js";
import { uuid7 } from "./ids.js";

export const SAVED_WITHIN_MS = 5_000;
/** Nothing is wrong with a mood that meets these: later is another time. */
const PASSING = new Set(["unavailable", "rate_limited", "internal", "unauthenticated"]);

/**
 * @typedef {{command: any, madeAt: number}} Kept *madeAt*: Unix ms by the clock of this device
 * @typedef {{load(): Kept[], keep(mood: Kept): void, forget(id: string): void}} MoodStore
 *
 * @typedef {object} Unsaved
 * @property {any} command
 * @property {number} madeAt
 * @property {"saving" | "saved" | "refused"} state
 * @property {string} problem why it was refused
 * @property {boolean} isAsked the hub has yet to answer
 * @property {Backoff} backoff
 * @property {any} timer
 */

/** Dispatches `change`, and `saved` with the id for each mood of this browser that is on disk. */
export class MoodOutbox extends Changing {
  /** @type {Map<string, Unsaved>} oldest first */
  #moods = new Map();
  #client;
  #store;
  #now;
  #random;

  /**
   * @param {import("./client.js").HugMoodClient} client
   * @param {MoodStore} store
   * @param {() => number} now Unix ms by the hub's clock, which is known while the client is live
   * @param {() => number} random
   */
  constructor(client, store, now, random = Math.random) {
    super();
    this.#client = client;
    this.#store = store;
    this.#now = now;
    this.#random = random;
    for (const kept of store.load()) this.#put(kept);
    const on = (name, listener) => client.addEventListener(name, ({ detail }) => listener(detail));
    on("welcome", () => this.#sendAll());
    on("state", () => this.changed());
    on("mood.saved", ({ id }) => this.#saved(id));
    on("mood.rejected", ({ id, message }) => this.#refused(id, message));
  }

  /** Newest first. */
  get all() {
    return [...this.#moods.values()].reverse();
  }

  /**
   * Take a mood on its way.
   * @param {object} fields of `mood.log`, without `id`
   * @returns {string} its id
   */
  add(fields) {
    const kept = { command: { type: "mood.log", id: uuid7(), ...fields }, madeAt: Date.now() };
    this.#store.keep(kept);
    this.#send(this.#put(kept));
    return kept.command.id;
  }

  /** *command* was given to the client by an earlier page, and will be answered. */
  takeUp(command, done) {
    const mood = this.#moods.get(command.id) ?? this.#put({ command, madeAt: Date.now() });
    this.#await(mood, done);
  }

  /** Do not show it any more: it is in the history, or the person has read why it was refused. */
  dismiss(id) {
    const mood = this.#moods.get(id);
    if (mood === undefined || mood.state === "saving") return;
    this.#moods.delete(id);
    this.changed();
  }

  /** Nothing is kept any more. */
  clear() {
    for (const [id, { timer }] of this.#moods) {
      clearTimeout(timer);
      this.#store.forget(id);
    }
    this.#moods.clear();
  }

  #put({ command, madeAt }) {
    const backoff = new Backoff(this.#random);
    const mood = { command, madeAt, state: "saving", problem: "", isAsked: false, backoff, timer: undefined };
    this.#moods.set(command.id, mood);
    this.changed();
    return mood;
  }

  #sendAll() {
    for (const mood of this.#moods.values()) this.#send(mood);
  }

  #send(mood) {
    if (mood.state !== "saving" || mood.isAsked || this.#client.state.name !== "live") return;
    if (mood.command.felt_at === undefined) {
      // The same moment each time it is sent; by the hub's clock, whatever ours says.
      const feltAt = this.#now() - (Date.now() - mood.madeAt);
      mood.command = { ...mood.command, felt_at: new Date(feltAt).toISOString() };
      this.#store.keep({ command: mood.command, madeAt: mood.madeAt });
    }
    this.#await(mood, this.#client.command(mood.command));
  }

  async #await(mood, done) {
    clearTimeout(mood.timer);
    mood.isAsked = true;
    let notBeforeMs = SAVED_WITHIN_MS;
    try {
      await done;
    } catch (error) {
      if (!PASSING.has(error.code)) this.#refused(mood.command.id, error.message);
      notBeforeMs = Math.max(notBeforeMs, error.retryAfterMs ?? 0);
    }
    mood.isAsked = false;
    if (mood.state === "saving" && this.#moods.has(mood.command.id)) {
      mood.timer = setTimeout(() => this.#send(mood), mood.backoff.next(notBeforeMs));
    }
  }

  #saved(id) {
    if (!this.#end(id, "saved")) return;
    this.dispatchEvent(new CustomEvent("saved", { detail: id }));
  }

  #refused(id, message) {
    this.#end(id, "refused", message);
  }

  #end(id, state, problem = "") {
    const mood = this.#moods.get(id);
    if (mood?.state !== "saving") return false;
    clearTimeout(mood.timer);
    Object.assign(mood, { state, problem });
    this.#store.forget(id);
    this.changed();
    return true;
  }
}
