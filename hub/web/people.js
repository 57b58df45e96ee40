/**
 * The people around us: friends, requests, and who is online.
 *
 * Invariant: who is a friend is what REST says. Events about friends only tell us to look again: a
 * replayed one may be older than what we know.
 */

import { Changing } from "./changes.js";

const SETTLE_MS = 80;

/**
 * @typedef {{id: string, name: string, username?: string | null}} Person
 * @typedef {Person & {since: string}} Friend
 * @typedef {{user: Person, direction: "incoming" | "outgoing", at: string}} Request
 * @typedef {{status: string, lastSeen: string | null}} Presence
 */

/** Dispatches `change`. */
export class People extends Changing {
  /** @type {Map<string, Friend>} */
  friends = new Map();
  /** @type {Map<string, Request>} */
  requests = new Map();
  isLoaded = false;
  /** @type {Map<string, Presence>} */
  #presences = new Map();
  /** @type {Map<string, any>} who opens their arms, with the timer that ends it */
  #opening = new Map();
  #api;
  #timer;
  #loads = 0;

  /** @param {import("./api.js").Api} api */
  constructor(api) {
    super();
    this.#api = api;
  }

  /** Load friends and requests anew. Rejects as `Api.call`. */
  async load() {
    const turn = ++this.#loads;
    const [friends, requests] = await Promise.all([
      this.#api.all("/v1/friends"),
      this.#api.all("/v1/friends/requests"),
    ]);
    if (turn !== this.#loads) return; // a later look is on its way and knows better
    this.friends = new Map(friends.map((friend) => [friend.user.id, { ...friend.user, since: friend.since }]));
    this.requests = new Map(requests.map((request) => [request.user.id, request]));
    for (const friend of friends) {
      if (friend.status && !this.#presences.has(friend.user.id)) this.#see(friend.user.id, friend.status, null);
    }
    this.isLoaded = true;
    this.changed();
  }

  /** Look again, once for a burst of events. What fails now is put right by the next look. */
  reloadSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.load().catch(() => {}), SETTLE_MS);
  }

  /** The snapshot of `welcome`: who is not in it is offline. */
  welcomed(friends) {
    const present = new Map(friends.map((friend) => [friend.user, friend]));
    for (const [id, presence] of this.#presences) {
      if (!present.has(id)) this.#see(id, "offline", presence.lastSeen);
    }
    for (const [id, friend] of present) this.#see(id, friend.status, friend.last_seen ?? null);
    this.changed();
  }

  presenceChanged(event) {
    this.#see(event.user, event.status, event.last_seen ?? null);
    this.changed();
  }

  /** @returns {Presence} */
  presenceOf(id) {
    return this.#presences.get(id) ?? { status: "offline", lastSeen: null };
  }

  /** *id* opens their arms, for *forMs* unless they do so again. Returns whether they had them closed. */
  opening(id, forMs) {
    const wasOpen = this.isOpening(id);
    clearTimeout(this.#opening.get(id));
    const timer = setTimeout(() => this.closing(id), forMs);
    this.#opening.set(id, timer);
    this.changed();
    return !wasOpen;
  }

  /** The hug has come, or has not. */
  closing(id) {
    clearTimeout(this.#opening.get(id));
    if (this.#opening.delete(id)) this.changed();
  }

  isOpening(id) {
    return this.#opening.has(id);
  }

  /** Friends, those who are there first. */
  sorted() {
    const rank = { online: 0, do_not_disturb: 1, away: 2 };
    const rankOf = (friend) => rank[this.presenceOf(friend.id).status] ?? 3;
    return [...this.friends.values()].sort((a, b) => rankOf(a) - rankOf(b) || a.name.localeCompare(b.name));
  }

  nameOf(id) {
    return this.friends.get(id)?.name ?? this.requests.get(id)?.user.name;
  }

  /** What *id* is to us, in the words of `GET /v1/users`. */
  relationTo(id) {
    if (this.friends.has(id)) return "friends";
    const direction = this.requests.get(id)?.direction;
    if (direction === undefined) return "none";
    return direction === "incoming" ? "incoming" : "requested";
  }

  #see(id, status, lastSeen) {
    this.#presences.set(id, { status, lastSeen });
  }
}
