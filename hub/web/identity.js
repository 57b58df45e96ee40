/**
 * Who this window is: the user and their tokens, and where they are kept.
 *
 * Kept in sessionStorage, which belongs to one window, so that two windows of one browser can be two
 * different people. Only who ticks "Remember me" goes to localStorage, which all windows share and which
 * outlives them; such an identity is what a new window starts with.
 *
 * Invariant: a refresh token is used once. The hub takes the second use for theft and ends the log-in,
 * and windows can share one: remembered, or because the browser copied a window with its storage. So a
 * window refreshes under a lock, and tells the others what came of it.
 */

import { ApiError, call } from "./api.js";
import { SignedOut } from "./client.js";
import { uuid7 } from "./ids.js";

const KEY = "hugmood.identity";
const DEVICE_KEY = "hugmood.device";
const CHANNEL = "hugmood.tokens";
/** A token is not used within this time of its end: it has to reach the hub too. */
const MARGIN_MS = 30_000;

/**
 * @typedef {{id: string, name: string, username?: string | null, anonymous?: boolean}} User
 * @typedef {{user: User, access: string, refresh: string, expiresAt: number}} Kept
 */

export class Identity {
  /** @type {Kept} */
  #kept;
  /** @type {Storage} */
  #storage;
  #channel = new BroadcastChannel(CHANNEL);
  /** @type {Promise<string> | null} */
  #renewing = null;
  #isForgotten = false;

  constructor(kept, storage) {
    this.#kept = kept;
    this.#storage = storage;
    this.#channel.onmessage = ({ data }) => {
      if (data.instead_of === this.#kept.refresh) this.#keep(data.kept);
    };
  }

  /** The person of this window, or null. */
  static load() {
    for (const storage of [sessionStorage, localStorage]) {
      const kept = read(storage);
      if (kept !== null) return new Identity(kept, storage);
    }
    return null;
  }

  /**
   * Take the hub's answer to a log-in.
   * @param {any} answer
   * @param {boolean} isRemembered
   */
  static accept(answer, isRemembered) {
    const identity = new Identity(keptOf(answer), isRemembered ? localStorage : sessionStorage);
    identity.#write();
    return identity;
  }

  get user() {
    return this.#kept.user;
  }

  /**
   * An access token the hub should take; `isFresh`: another than the last one.
   * Rejects with `SignedOut` when only logging in helps, else with what stopped it.
   */
  async token({ isFresh }) {
    if (this.#isForgotten) throw new SignedOut("You are logged out.");
    if (!isFresh && Date.now() < this.#kept.expiresAt - MARGIN_MS) return this.#kept.access;
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  async #renew() {
    const before = this.#kept.access;
    return locked(`${CHANNEL}.${this.user.id}`, async () => {
      const stored = read(this.#storage);
      if (stored?.user.id === this.user.id) this.#kept = stored;
      if (this.#kept.access !== before) return this.#kept.access; // another window was faster
      const used = this.#kept.refresh;
      let answer;
      try {
        answer = await call("POST", "/v1/auth/refresh", { body: { refresh_token: used } });
      } catch (error) {
        if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
          throw new SignedOut("Your log-in has ended. Please come in again.");
        }
        throw error;
      }
      this.#keep(keptOf(answer));
      this.#channel.postMessage({ instead_of: used, kept: this.#kept });
      return this.#kept.access;
    });
  }

  /** Log out here: forget who we are, and tell the hub if it can be reached. */
  async leave() {
    const { refresh } = this.#kept;
    this.forget();
    try {
      await call("POST", "/v1/auth/logout", { body: { refresh_token: refresh } });
    } catch {
      // Nothing to do for the person who leaves: the token ends by itself.
    }
  }

  forget() {
    this.#isForgotten = true;
    this.#channel.close();
    if (read(this.#storage)?.user.id === this.user.id) this.#storage.removeItem(KEY);
  }

  #keep(kept) {
    this.#kept = kept;
    this.#write();
  }

  #write() {
    if (!this.#isForgotten) this.#storage.setItem(KEY, JSON.stringify(this.#kept));
  }
}

/** The id of this browser as a device, made once. */
export function deviceId() {
  let device = localStorage.getItem(DEVICE_KEY);
  if (device === null) {
    device = uuid7();
    localStorage.setItem(DEVICE_KEY, device);
  }
  return device;
}

/** @returns {Kept} */
function keptOf(answer) {
  const { id, name, username, anonymous } = answer.user; // the rest is the hub's to keep
  return {
    user: { id, name, username, anonymous },
    access: answer.access_token,
    refresh: answer.refresh_token,
    expiresAt: Date.now() + answer.expires_in * 1000,
  };
}

/** @returns {Kept | null} */
function read(storage) {
  try {
    return JSON.parse(storage.getItem(KEY));
  } catch {
    return null;
  }
}

/** Run *work* in one window at a time, where the browser can: locks exist only on https and localhost. */
function locked(name, work) {
  return navigator.locks === undefined ? work() : navigator.locks.request(name, work);
}
