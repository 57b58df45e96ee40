/**
 * The page of somebody who has come in: the client, what it tells, and the panels that show it.
 *
 * The composition root of the signed-in page. It is built once per page; logging out loads the page anew,
 * so nothing of one person can be left for the next.
 */

import { Api } from "./api.js";
import { Arrivals } from "./arrival.js";
import { ConnectionLine, showNotice, showSelf } from "./bar.js";
import { HugMoodClient, uuid7 } from "./client.js";
import { Composer } from "./composer.js";
import { byId } from "./dom.js";
import { FriendsPanel } from "./friends.js";
import { Hugs } from "./hugs.js";
import { ReceivedPanel, SentPanel } from "./hugs_panel.js";
import { deviceId } from "./identity.js";
import { watchIdle } from "./idle.js";
import { People } from "./people.js";
import { PersonDialog } from "./person.js";
import { SeenWatch } from "./seen.js";
import { SettingsDialog } from "./settings.js";
import { cursorStore, outboxStore } from "./stores.js";
import { toast } from "./toasts.js";

const IDLE_MS = 5 * 60_000;
const STATUS_KEY = "hugmood.status";
/** A broken connection may have been deaf this long before anybody noticed. */
const DEAF_MS = 60_000;

/**
 * What panels may ask for.
 * @typedef {object} Actions
 * @property {(friend: {id: string, name: string}) => void} compose
 * @property {(friend: any) => void} showPerson
 * @property {(command: object) => Promise<void>} carryOut
 * @property {(id: string) => void} resend
 * @property {(error: Error) => void} tellProblem
 * @property {() => void} logOut
 */

export class Home {
  #identity;
  #outbox;
  #composer;
  #person;
  #arrivals;
  #status = sessionStorage.getItem(STATUS_KEY) ?? "online";
  /** The hub's clock minus ours, and until when we heard everything by it. */
  #skewMs = 0;
  #heardUntil = null;
  #isLeaving = false;

  /**
   * @param {import("./identity.js").Identity} identity
   * @param {(why: string) => void} onleave
   */
  constructor(identity, onleave) {
    this.#identity = identity;
    this.onleave = onleave;
    this.self = identity.user;
    this.api = new Api(identity);
    this.people = new People(this.api);
    this.hugs = new Hugs(this.api);
    this.#outbox = outboxStore(this.self.id);
    this.client = this.#makeClient();
    this.seen = new SeenWatch((ids) => this.#markSeen(ids));
    this.#composer = new Composer((hug) => this.#send(hug));
    this.#person = new PersonDialog(this);
    this.#arrivals = new Arrivals(this);
    new FriendsPanel(this);
    new ReceivedPanel(this);
    new SentPanel(this);
    new SettingsDialog(this);
    new ConnectionLine(this.client);
    showSelf(this.self, this.#status, (status) => this.#chooseStatus(status));
    this.#listen();
    this.#takeUpUnsent();
  }

  /** Show the page and connect. */
  start() {
    document.body.dataset.view = "home";
    this.#load().catch(() => {}); // what the hub cannot tell now, it tells when the connection opens
    this.client.start();
  }

  #makeClient() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    return new HugMoodClient({
      url: `${scheme}//${location.host}/v1/socket`,
      device: deviceId(),
      getToken: (how) => this.#identity.token(how),
      onreset: () => this.#load(),
      cursorStore: cursorStore(this.self.id),
      outboxStore: this.#outbox,
      status: this.#status,
    });
  }

  async #load() {
    await Promise.all([this.people.load(), this.hugs.load()]);
  }

  // What the hub tells

  #listen() {
    const on = (name, listener) => this.client.addEventListener(name, ({ detail }) => listener(detail));
    on("state", (state) => this.#stateChanged(state));
    on("welcome", (welcome) => this.#welcomed(welcome));
    on("presence", (event) => this.people.presenceChanged(event));
    on("hug.received", (event) => this.#received(event));
    on("hug.sent", (event) => this.#sentElsewhere(event));
    on("hug.delivered", ({ id, at }) => this.hugs.sent.change(id, { state: "delivered", delivered_at: at }));
    on("hug.seen", ({ id, at }) => this.hugs.sent.change(id, { state: "seen", seen_at: at }));
    on("friend.requested", ({ from }) => this.#friendsChanged(`${from.name} wants to be friends`));
    on("friend.accepted", ({ user }) => this.#friendsChanged(`${user.name} and you are friends now`));
    on("friend.ended", () => this.#friendsChanged());
    on("fault", ({ message }) => toast(message, "problem"));
    for (const event of ["online", "focus", "pageshow"]) globalThis.addEventListener(event, () => this.client.wake());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.client.wake();
    });
    watchIdle(IDLE_MS, (isIdle) => {
      if (this.#status === "online") this.client.setStatus(isIdle ? "away" : "online");
    });
  }

  #stateChanged({ name, code, reason }) {
    if (name !== "live" && this.#heardUntil === null) this.#heardUntil = Date.now() + this.#skewMs - DEAF_MS;
    if (name !== "stopped" || this.#isLeaving) {
      showNotice("");
    } else if (code === undefined || code === 4007) {
      this.#identity.forget();
      this.onleave(code === 4007 ? "This log-in was ended. Please come in again." : reason);
    } else {
      showNotice(`The hub has closed the connection: ${reason}.`, { label: "Connect again", run: () => this.client.start() });
    }
  }

  #welcomed({ friends, server_time: serverTime, resumed }) {
    this.people.welcomed(friends);
    const heardUntil = this.#heardUntil;
    this.#skewMs = Date.parse(serverTime) - Date.now();
    this.#heardUntil = null;
    if (resumed && this.hugs.sent.isLoaded && heardUntil !== null) {
      // Should this fail, the receipts are late until the next look; the hugs themselves are not touched.
      this.hugs.sent.catchUp(new Date(heardUntil).toISOString()).catch(() => {});
    }
  }

  #received({ id, seq, from, kind, message, style, at }) {
    const hug = { id, seq, from, to: this.self, kind, message, style, at, state: "delivered" };
    const isNew = !this.hugs.received.isSeen(id);
    this.hugs.received.put(hug);
    if (isNew) this.#arrivals.add(hug);
  }

  #sentElsewhere({ id, to, kind, message, style, at }) {
    this.hugs.sent.put({ id, from: this.self, to: { id: to, name: this.people.nameOf(to) }, kind, message, style, at, state: "accepted" });
  }

  #friendsChanged(text = "") {
    if (text !== "") toast(text);
    this.people.reloadSoon();
  }

  #markSeen(ids) {
    for (const id of ids) this.hugs.received.change(id, { state: "seen" });
    this.client.command({ type: "hug.seen", ids }).catch(() => {}); // then they are new again on the next visit
  }

  // What the person does

  compose(friend) {
    this.#composer.open(friend);
  }

  showPerson(friend) {
    this.#person.open(friend);
  }

  /** A command about friends; its failure is told. */
  async carryOut(command) {
    try {
      await this.client.command(command);
    } catch (error) {
      this.tellProblem(error);
    }
    this.people.reloadSoon();
  }

  tellProblem(error) {
    toast(error.message, "problem");
  }

  #send({ to, kind, message }) {
    const hug = { id: uuid7(), from: this.self, to: { id: to.id, name: to.name }, kind, message, at: this.#now(), state: "sending" };
    this.hugs.sent.put(hug);
    this.#track(hug.id, this.client.command(commandOf(hug)));
  }

  /** Send a hug that failed once more. */
  resend(id) {
    const { problem: _, ...hug } = this.hugs.sent.get(id);
    this.hugs.sent.remove(id);
    this.hugs.sent.put({ ...hug, at: this.#now(), state: "sending" });
    this.#track(id, this.client.command(commandOf(hug)));
  }

  /** Hugs that were on their way when the page was loaded anew. */
  #takeUpUnsent() {
    for (const { command, done } of this.client.restored) {
      const { id, to, kind, message } = command;
      this.hugs.sent.put({ id, from: this.self, to: { id: to }, kind, message, at: this.#now(), state: "sending" });
      this.#track(id, done);
    }
  }

  async #track(id, done) {
    try {
      const { at } = await done;
      this.hugs.sent.change(id, { state: "accepted", at });
    } catch (error) {
      this.hugs.sent.change(id, { state: "failed", problem: error.message });
    }
  }

  #chooseStatus(status) {
    this.#status = status;
    sessionStorage.setItem(STATUS_KEY, status);
    this.client.setStatus(status);
  }

  async logOut() {
    this.#isLeaving = true;
    this.#outbox.clear();
    this.client.close();
    sessionStorage.removeItem(STATUS_KEY);
    await this.#identity.leave();
    this.onleave("");
  }

  #now() {
    return new Date(Date.now() + this.#skewMs).toISOString();
  }
}

/** @param {import("./hugs.js").Hug} hug */
function commandOf({ id, to, kind, message }) {
  return { type: "hug.send", id, to: to.id, kind, ...(message ? { message } : {}) };
}
