/**
 * The notification centre as the hub keeps it: how many are unread, and what is done with them.
 *
 * Invariant: the count is what REST says. Events only tell us to look again: a replayed one may be older than what we
 * know, and which kinds count is for the hub to say.
 */

import { Changing } from "./changes.js";

const PATH = "/v1/me/notifications";
const SETTLE_MS = 80;

/** What may change the list or the count. */
export const TOLD_BY = [
  "welcome",
  "hug.received",
  "hug.undone",
  "hug.felt",
  "hug.mutual",
  "request.received",
  "request.answered",
  "group.invited",
  "group.started",
  "group.completed",
  "group.cancelled",
  "friend.requested",
  "friend.accepted",
  "streak.milestone",
  "notification",
  "notification.unread",
  "account.notice",
];

/**
 * @typedef {{id: number, kind: string, category: string, at: string, event: any, read_at?: string}} Notification
 */

/** Dispatches `change` when the count was looked at, and the list is to be. */
export class Notifications extends Changing {
  unread = 0;
  /** There are more than could be counted. */
  isMore = false;
  #api;
  #timer;
  #asked = 0;
  #answered = 0;

  /**
   * @param {import("./api.js").Api} api
   * @param {EventTarget} client
   */
  constructor(api, client) {
    super();
    this.#api = api;
    for (const name of TOLD_BY) client.addEventListener(name, () => this.lookSoon());
  }

  /** Count. Rejects as `Api.call`. */
  async load() {
    const turn = ++this.#asked;
    const { unread, is_more: isMore = false } = await this.#api.get(`${PATH}/unread`);
    if (turn < this.#answered) return; // a later look has been answered already
    this.#answered = turn;
    this.unread = unread;
    this.isMore = isMore;
    this.changed();
  }

  /** Look again, a few times a second in a burst of events. What fails now is put right by the next look. */
  lookSoon() {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.load().catch(() => {});
    }, SETTLE_MS);
  }

  // Each of these rejects as `Api.call`.

  /**
   * One page, newest first.
   * @param {{unread: boolean, cursor: string | null, limit: number}} which
   * @returns {Promise<{items: Notification[], next?: string | null}>}
   */
  page({ unread, cursor, limit }) {
    const query = new URLSearchParams({ limit: String(limit), ...(unread ? { unread: "true" } : {}), ...(cursor ? { cursor } : {}) });
    return this.#api.get(`${PATH}?${query}`);
  }

  read(ids) {
    return this.#then("POST", "/read", { ids });
  }

  readAll() {
    return this.#then("POST", "/read-all");
  }

  remove(id) {
    return this.#then("DELETE", `/${id}`);
  }

  /** A push was opened: *delivery* is in its data. */
  opened(delivery) {
    return this.#then("POST", "/opened", { delivery });
  }

  async #then(method, path, body) {
    await this.#api.call(method, `${PATH}${path}`, body);
    this.lookSoon();
  }
}
