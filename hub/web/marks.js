/**
 * What we have decided about others for ourselves: whom we mute, follow, block. They do not notice.
 *
 * Invariant: it is what REST says; after each change we look again.
 */

import { Changing } from "./changes.js";

const HOUR_MS = 3_600_000;

/** How long somebody can be muted: `[label, ms]`; null is for good. */
export const MUTES = [
  ["1 hour", HOUR_MS],
  ["1 day", 24 * HOUR_MS],
  ["For good", null],
];

/** Dispatches `change`. */
export class Marks extends Changing {
  /** @type {Map<string, {user: {id: string, name: string}, until: string | null}>} */
  mutes = new Map();
  /** @type {Map<string, {user: {id: string, name: string}}>} */
  follows = new Map();
  /** @type {Map<string, {user: {id: string, name: string}}>} */
  blocks = new Map();
  #app;
  #loads = 0;

  /** @param {{api: import("./api.js").Api, client: import("./client.js").HugMoodClient}} app */
  constructor(app) {
    super();
    this.#app = app;
  }

  /** Rejects as `Api.call`. */
  async load() {
    const turn = ++this.#loads;
    const lists = await Promise.all(["mutes", "follows", "blocks"].map((name) => this.#app.api.all(`/v1/${name}`)));
    if (turn !== this.#loads) return; // a later look is on its way and knows better
    [this.mutes, this.follows, this.blocks] = lists.map((marks) => new Map(marks.map((mark) => [mark.user.id, mark])));
    this.changed();
  }

  isMuted(id) {
    const mute = this.mutes.get(id);
    return mute !== undefined && (mute.until === null || Date.parse(mute.until) > Date.now());
  }

  /** "Following", "Muted" …: what *id* is marked with. */
  wordsFor(id) {
    return [this.follows.has(id) && "Following", this.isMuted(id) && "Muted", this.blocks.has(id) && "Blocked"].filter((word) => word !== false);
  }

  // Each of these rejects as `Api.call` or with `CommandError`.

  mute(user, forMs) {
    const until = forMs === null ? {} : { until: new Date(Date.now() + forMs).toISOString() };
    return this.#then(this.#app.client.command({ type: "user.mute", user, ...until }));
  }

  unmute(user) {
    return this.#then(this.#app.client.command({ type: "user.unmute", user }));
  }

  follow(user) {
    return this.#then(this.#app.api.call("POST", "/v1/follows", { user }));
  }

  unfollow(user) {
    return this.#then(this.#app.api.call("DELETE", `/v1/follows/${user}`));
  }

  unblock(user) {
    return this.#then(this.#app.client.command({ type: "user.unblock", user }));
  }

  async #then(done) {
    await done;
    await this.load();
  }
}
