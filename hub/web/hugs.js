/**
 * The hugs of this window: received and sent, as far as they were loaded.
 *
 * Invariant: a hug is here once, whichever of history, event and reply tells of it first, and its state
 * only goes forward.
 */

const PAGE = 20;
const STATES = ["failed", "sending", "accepted", "delivered", "seen", "felt"];

/**
 * @typedef {object} Hug
 * @property {string} id
 * @property {{id: string, name?: string}} from
 * @property {{id: string, name?: string}} to
 * @property {string} kind
 * @property {string | null} [message]
 * @property {string} state one of `STATES`
 * @property {string} at RFC 3339
 * @property {string | null} [seen_at]
 * @property {string} [problem] why it failed
 */

/** One direction. Dispatches `change`. */
class HugList extends EventTarget {
  isLoaded = false;
  hasMore = false;
  #cursor = null;
  /** @type {Map<string, Hug>} */
  #hugs = new Map();
  #api;
  #direction;

  constructor(api, direction) {
    super();
    this.#api = api;
    this.#direction = direction;
  }

  /** @returns {Hug[]} newest first */
  get all() {
    return [...this.#hugs.values()].sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : a.id < b.id ? 1 : -1));
  }

  get(id) {
    return this.#hugs.get(id);
  }

  /** The newest page, put over what is here. Rejects as `Api.call`. */
  async load() {
    const isFirst = !this.isLoaded;
    const page = await this.#page(null);
    if (isFirst) this.#turnTo(page);
    this.isLoaded = true;
    this.put(...page.items);
  }

  /** What changed since *since* (RFC 3339): delivered and seen are not told again after a lost connection. */
  async catchUp(since) {
    const query = new URLSearchParams({ direction: this.#direction, limit: "100", changed_since: since });
    const page = await this.#api.get(`/v1/hugs?${query}`);
    this.put(...page.items);
  }

  /** One more page into the past. */
  async more() {
    const page = await this.#page(this.#cursor);
    this.#turnTo(page);
    this.put(...page.items);
  }

  #turnTo(page) {
    this.#cursor = page.next ?? null;
    this.hasMore = this.#cursor !== null;
  }

  #page(cursor) {
    const query = new URLSearchParams({ direction: this.#direction, limit: String(PAGE) });
    if (cursor !== null) query.set("cursor", cursor);
    return this.#api.get(`/v1/hugs?${query}`);
  }

  /** Add hugs, or what is newly known of them. */
  put(...hugs) {
    for (const hug of hugs) {
      const known = this.#hugs.get(hug.id);
      this.#hugs.set(hug.id, known === undefined ? hug : { ...known, ...defined(hug), state: later(known.state, hug.state) });
    }
    this.dispatchEvent(new Event("change"));
  }

  /** One field or more of a hug that is here. */
  change(id, fields) {
    if (this.#hugs.has(id)) this.put({ id, ...fields });
  }

  /** Take a failed hug off the list. */
  remove(id) {
    this.#hugs.delete(id);
    this.dispatchEvent(new Event("change"));
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

function later(known, told) {
  if (told === undefined) return known;
  return STATES.indexOf(told) >= STATES.indexOf(known) ? told : known;
}

function defined(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null));
}
