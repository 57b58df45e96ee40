/**
 * Web Push in this browser: whether it is offered and on, switching it on and off.
 *
 * Invariant: a browser is subscribed for at most one person, the one who switched it on last; who that is and the
 * hub's id of the subscription are kept in this browser. Nobody is asked for leave but after a click.
 */

import { Changing } from "./changes.js";

const WORKER = "/push_worker.js";
const DEVICES = "/v1/me/devices";
const KEY = "hugmood.push";
/** The hub forgets devices that it has not heard of for long; often enough is once a day. */
const RENEW_MS = 86_400_000;
/** Browsers try to reach their push service for as long as it takes; a person does not wait so long. */
const SUBSCRIBE_WITHIN_MS = 20_000;

/** @typedef {"insecure" | "unavailable" | "denied" | "off" | "on"} PushState */

/** Dispatches `change`. */
export class WebPush extends Changing {
  /** @type {PushState | null} null: not known yet */
  state = null;
  problem = "";
  isBusy = false;
  #api;
  #self;

  /** @param {{api: import("./api.js").Api, self: {id: string}}} app */
  constructor({ api, self }) {
    super();
    this.#api = api;
    this.#self = self;
  }

  /** The hub's id of this browser as a device of this person, or null. */
  get device() {
    return this.#kept?.device ?? null;
  }

  /** Find out how it stands; what is on is kept so. Never rejects. */
  async look() {
    const obstacle = obstacleHere();
    if (obstacle !== null) return this.#become(obstacle);
    watchPermission(() => this.look());
    if (this.#kept === null || Notification.permission !== "granted") {
      return this.#become(Notification.permission === "denied" ? "denied" : "off");
    }
    try {
      this.#become((await this.#keepUp()) ? "on" : "off");
    } catch {
      this.#become("on"); // the hub cannot be asked now; the subscription is there
    }
  }

  /** After a click: ask for leave, subscribe, and tell the hub. Never rejects. */
  turnOn() {
    return this.#attempt(async () => {
      const permission = await Notification.requestPermission();
      if (permission === "denied") return "denied";
      if (permission !== "granted") throw new Error("Your browser was not given leave. Try again if you like to be told.");
      const [{ key }, registration] = await Promise.all([this.#api.get("/v1/push/key"), this.#worker()]);
      await this.#register(await subscribe(registration.pushManager, key), browserName(navigator.userAgent));
      return "on";
    });
  }

  /** Never rejects. */
  turnOff() {
    return this.#attempt(async () => {
      const { device } = this;
      await this.#unsubscribe();
      if (device !== null) await this.#forget(device);
      return "off";
    });
  }

  /** The person goes, and the hub ends the device with the log-in: no push of theirs comes to whoever is next here. Never rejects. */
  async leave() {
    if (this.#kept !== null) await this.#unsubscribe().catch(() => {});
  }

  // How it is done

  async #attempt(work) {
    if (this.isBusy) return;
    this.isBusy = true;
    this.problem = "";
    this.changed();
    try {
      this.state = await work();
    } catch (error) {
      this.problem = error.message;
    }
    this.isBusy = false;
    this.changed();
  }

  #become(state) {
    this.state = state;
    this.changed();
  }

  get #kept() {
    let kept;
    try {
      kept = JSON.parse(localStorage.getItem(KEY));
    } catch {
      return null;
    }
    return kept?.user === this.#self.id ? kept : null;
  }

  async #worker() {
    await navigator.serviceWorker.register(WORKER);
    return navigator.serviceWorker.ready;
  }

  /** Is what was switched on still on? A new subscription is told to the hub. */
  async #keepUp() {
    const { device, endpoint, toldAt } = this.#kept;
    const subscription = await (await this.#worker()).pushManager.getSubscription();
    const { items = [] } = await this.#api.get(DEVICES);
    const isKnown = items.some(({ id }) => id === device);
    if (subscription === null || !isKnown) {
      // Switched off in the browser, or removed from another device.
      await this.#unsubscribe();
      if (isKnown) await this.#forget(device);
      return false;
    }
    if (subscription.endpoint === endpoint && Date.now() - toldAt < RENEW_MS) return true;
    await this.#register(subscription);
    if (this.device !== device) await this.#forget(device);
    return true;
  }

  /** *name* is for a new device; a known one keeps its own. */
  async #register(subscription, name) {
    const { endpoint, keys } = subscription.toJSON();
    const told = { endpoint, keys: { p256dh: keys.p256dh, auth: keys.auth } };
    const { id } = await this.#api.call("POST", DEVICES, { provider: "webpush", subscription: told, language: navigator.language, name });
    localStorage.setItem(KEY, JSON.stringify({ user: this.#self.id, device: id, endpoint, toldAt: Date.now() }));
  }

  /** What the hub cannot be told now, the push service will: the subscription has ended. */
  async #forget(device) {
    await this.#api.call("DELETE", `${DEVICES}/${device}`).catch(() => {});
  }

  async #unsubscribe() {
    localStorage.removeItem(KEY);
    const registration = await navigator.serviceWorker.getRegistration(WORKER);
    const subscription = await registration?.pushManager.getSubscription();
    await subscription?.unsubscribe();
  }
}

/** @returns {PushState | null} */
function obstacleHere() {
  if (!globalThis.isSecureContext) return "insecure";
  return "serviceWorker" in navigator && "PushManager" in globalThis && "Notification" in globalThis ? null : "unavailable";
}

let watched = null;

/** Leave is given and taken in the browser's own settings, too. */
async function watchPermission(onchange) {
  watched ??= navigator.permissions?.query({ name: "notifications" });
  const status = await watched?.catch(() => null);
  if (status) status.onchange = onchange;
}

async function subscribe(manager, key) {
  const wanted = bytesOf(key);
  const old = await manager.getSubscription();
  if (old !== null && !isSame(old.options.applicationServerKey, wanted)) await old.unsubscribe();
  let timer;
  try {
    const subscription = manager.subscribe({ userVisibleOnly: true, applicationServerKey: wanted });
    const tooLong = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error("no answer in time")), SUBSCRIBE_WITHIN_MS)));
    return await Promise.race([subscription, tooLong]);
  } catch (error) {
    throw new Error("Your browser could not reach its push service, so it cannot be told of hugs while the page is closed. Try again later.", { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** @param {string} text base64url @returns {Uint8Array<ArrayBuffer>} */
export function bytesOf(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
}

function isSame(buffer, bytes) {
  const other = new Uint8Array(buffer ?? []);
  return other.length === bytes.length && other.every((byte, index) => byte === bytes[index]);
}

const BROWSERS = [["Edg", "Edge"], ["OPR", "Opera"], ["SamsungBrowser", "Samsung Internet"], ["Firefox", "Firefox"], ["Chrome", "Chrome"], ["Safari", "Safari"]];
const SYSTEMS = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS X", "Mac"], ["CrOS", "ChromeOS"], ["Linux", "Linux"]];

/** "Firefox on Android", as far as *userAgent* tells. */
export function browserName(userAgent) {
  const find = (names, otherwise) => names.find(([sign]) => userAgent.includes(sign))?.[1] ?? otherwise;
  return `${find(BROWSERS, "A browser")} on ${find(SYSTEMS, "a computer")}`;
}
