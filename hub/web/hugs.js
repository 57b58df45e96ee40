/**
 * The hugs of this window: received and sent, as far as they were loaded.
 *
 * Invariant: a hug is here once, whichever of history, event and reply tells of it first, and its state
 * only goes forward.
 */

import { Changing } from "./changes.js";

const PAGE = 20;
const CATCH_UP_PAGE = 100;
const TOLD_EARLY_MAX = 200;
const STATES = ["sending", "failed", "accepted", "delivered", "seen", "felt", "undone"];

/**
 * @typedef {object} Hug
 * @property {string} id
 * @property {{id: string, name?: string}} from
 * @property {{id: string, name?: string}} to
 * @property {string} kind
 * @property {string | null} [message]
 * @property {string} state one of STATES
 * @property {string} at RFC 3339
 * @property {number} [seq] in the inbox, if it came by the socket
 * @property {string | null} [seen_at]
 * @property {{emoji: string, message?: string}} [reaction] how it was felt
 * @property {string} [mutual_at] when it met one that came the other way
 * @property {string} [request] what it answers
 * @property {string} [problem] why it failed
 */

/** One direction. Dispatches `change`. */
class HugList extends Changing {
  isLoaded = false;
  hasMore = false;
  #cursor = null;
  /** @type {Map<string, Hug>} */
  #hugs = new Map();
  /** @type {Map<string, any>} what was told of hugs that are not here: their page may be on its way */
  #early = new Map();
  #api;
  #direction;

  constructor(api, direction) {
    super();
    this.#api = api;
    this.#direction = direction;
  }

  /** @returns {Hug[]} newest first */
  get all() {
    return [...this.#hugs.values()].sort(newestFirst);
  }

  get(id) {
    return this.#hugs.get(id);
  }

  /** Is hug *id* known here to have been read? */
  isSeen(id) {
    const state = this.#hugs.get(id)?.state;
    return state === "seen" || state === "felt";
  }

  /** The newest page, in place of what is here, but for what comes in meanwhile. Rejects as `Api.call`. */
  async load() {
    const before = [...this.#hugs.values()].filter(({ state }) => state !== "sending" && state !== "failed");
    const page = await this.#page({ limit: PAGE });
    for (const { id } of before) this.#hugs.delete(id);
    this.#turnTo(page);
    this.isLoaded = true;
    this.put(...page.items);
  }

  /** What changed since *since* (RFC 3339): delivered and seen are not told again after a lost connection. */
  async catchUp(since) {
    // What is older than the pages loaded comes with its own page; here it would leave a hole in between.
    const oldest = this.hasMore ? this.all.at(-1).at : "";
    let cursor = null;
    do {
      const page = await this.#page({ limit: CATCH_UP_PAGE, changed_since: since, ...(cursor ? { cursor } : {}) });
      this.put(...page.items.filter(({ id, at }) => at >= oldest || this.#hugs.has(id)));
      cursor = page.next;
    } while (cursor);
  }

  /** One more page into the past. */
  async more() {
    const page = await this.#page({ limit: PAGE, cursor: this.#cursor });
    this.#turnTo(page);
    this.put(...page.items);
  }

  #turnTo(page) {
    this.#cursor = page.next ?? null;
    this.hasMore = this.#cursor !== null;
  }

  #page(query) {
    return this.#api.get(`/v1/hugs?${new URLSearchParams({ direction: this.#direction, ...query })}`);
  }

  /** Add hugs, or what is newly known of them. */
  put(...hugs) {
    for (const hug of hugs) {
      const known = this.#hugs.get(hug.id) ?? { ...this.#early.get(hug.id) };
      this.#early.delete(hug.id);
      this.#hugs.set(hug.id, { ...known, ...defined(hug), state: later(known.state, hug.state) });
    }
    this.changed();
  }

  /** Something newly known of hug *id*, which may not be here yet. */
  change(id, fields) {
    if (this.#hugs.has(id)) {
      this.put({ id, ...fields });
    } else if (this.#early.size < TOLD_EARLY_MAX) {
      this.#early.set(id, { ...this.#early.get(id), ...fields });
    }
  }

  /** Take off the list what failed or was taken back. */
  remove(id) {
    this.#hugs.delete(id);
    this.changed();
  }
}

export class Hugs {
  /** @param {import("./api.js").Api} api */
  constructor(api) {
    this.received = new HugList(api, "received");
    this.sent = new HugList(api, "sent");
  }

  /** The newest page of both. */
  async load() {
    await Promise.all([this.received.load(), this.sent.load()]);
  }
}

// Hugs of one millisecond are in the order of the inbox, if that is known, else in that of the history.
function newestFirst(one, two) {
  if (one.at !== two.at) return one.at < two.at ? 1 : -1;
  if (one.seq !== undefined && two.seq !== undefined) return two.seq - one.seq;
  return one.id < two.id ? 1 : -1;
}

function later(known, told) {
  if (told === undefined || known === undefined) return told ?? known;
  return STATES.indexOf(told) >= STATES.indexOf(known) ? told : known;
}

function defined(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null));
}
