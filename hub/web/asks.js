/**
 * Requests for hugs: those that wait for us, and our own.
 *
 * Invariant: what there is is what REST says. Events only tell us to look again: a replayed one may be older
 * than what we know.
 */

import { Changing } from "./changes.js";

const SETTLE_MS = 80;
const SHOWN_AFTER_MS = 24 * 3_600_000;
const ANSWERED_MAX = 3;

/**
 * @typedef {{id: string, direction: "incoming" | "outgoing", from: {id: string, name: string}, to?: {id: string, name: string},
 *   community: boolean, state: string, at: string, expires_at: string, message?: string, settled_at?: string, hugs?: number,
 *   hug?: string}} Ask
 */

/** Dispatches `change`. */
export class Asks extends Changing {
  /** @type {Ask[]} newest first */
  #asks = [];
  #api;
  #timer;
  #loads = 0;

  /** @param {import("./api.js").Api} api */
  constructor(api) {
    super();
    this.#api = api;
  }

  /** Rejects as `Api.call`. */
  async load() {
    const turn = ++this.#loads;
    const { items } = await this.#api.get("/v1/requests?limit=100");
    if (turn !== this.#loads) return; // a later look is on its way and knows better
    this.#asks = items;
    this.changed();
  }

  /** Look again, once for a burst of events. What fails now is put right by the next look. */
  reloadSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.load().catch(() => {}), SETTLE_MS);
  }

  /** Those that we may answer. */
  get incoming() {
    return this.#asks.filter((ask) => ask.direction === "incoming" && ask.hug === undefined && isOpen(ask));
  }

  /** Our own: those that are open, and the last ones that were answered. */
  get outgoing() {
    const mine = this.#asks.filter(({ direction }) => direction === "outgoing");
    const answered = mine.filter(({ state, settled_at: at }) => state === "fulfilled" && Date.now() - Date.parse(at) < SHOWN_AFTER_MS);
    return [...mine.filter(isOpen), ...answered.slice(0, ANSWERED_MAX)];
  }

  /** It was answered or withdrawn here: do not wait for the hub to take it off the list. */
  forget(id) {
    this.#asks = this.#asks.filter((ask) => ask.id !== id);
    this.changed();
  }
}

export function isOpen(ask) {
  return ask.state === "open" && Date.parse(ask.expires_at) > Date.now();
}
