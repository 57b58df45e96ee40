/**
 * The page of somebody who has come in: the client, what it tells, and the panels that show it.
 *
 * The composition root of the signed-in page. It is built once per page; logging out loads the page anew,
 * so nothing of one person can be left for the next.
 */

import { Api } from "./api.js";
import { Arrivals } from "./arrival.js";
import { Asks } from "./asks.js";
import { AskDialog, AsksList } from "./asks_list.js";
import { ConnectionLine, showNotice, showSelf } from "./bar.js";
import { HugMoodClient, uuid7 } from "./client.js";
import { Composer } from "./composer.js";
import { byId } from "./dom.js";
import { FriendsPanel } from "./friends.js";
import { Groups } from "./groups.js";
import { GroupsList } from "./groups_list.js";
import { Hugs } from "./hugs.js";
import { ReceivedPanel, SentPanel } from "./hugs_panel.js";
import { deviceId } from "./identity.js";
import { watchIdle } from "./idle.js";
import { InviteDialog } from "./invite.js";
import { Marks } from "./marks.js";
import { Moments } from "./moment.js";
import { Moods } from "./moods.js";
import { NotificationCenter } from "./notification_center.js";
import { Notifications } from "./notifications.js";
import { People } from "./people.js";
import { PersonDialog } from "./person.js";
import { followPushes } from "./push_clicks.js";
import { ReactionDialog } from "./reaction.js";
import { Room } from "./room.js";
import { SeenWatch } from "./seen.js";
import { SettingsDialog } from "./settings.js";
import { cursorStore, outboxStore } from "./stores.js";
import { announce, toast } from "./toasts.js";
import { WebPush } from "./web_push.js";

const IDLE_MS = 5 * 60_000;
/** A moment later, the words of a mutual hug have been read. */
const READ_AFTER_MS = 1_200;
const STATUS_KEY = "hugmood.status";
/** A broken connection may have been deaf this long before anybody noticed. */
const DEAF_MS = 60_000;

/**
 * What panels may ask for.
 * @typedef {object} Actions
 * @property {(friend: {id: string, name: string}, request?: string | null) => void} compose *request*: what it answers
 * @property {(hug: import("./hugs.js").Hug) => void} react
 * @property {(id: string) => void} undo
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
  #moments;
  #ask;
  #invite;
  #reaction;
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
    this.asks = new Asks(this.api);
    this.groups = new Groups(this.api, this.self);
    this.#outbox = outboxStore(this.self.id);
    this.client = this.#makeClient();
    this.marks = new Marks(this);
    this.notifications = new Notifications(this.api, this.client);
    this.push = new WebPush(this);
    this.seen = new SeenWatch((ids) => this.#markSeen(ids));
    this.#composer = new Composer((hug) => this.#send(hug), (to) => this.client.tell({ type: "hug.preparing", to }));
    this.#person = new PersonDialog(this);
    this.#arrivals = new Arrivals(this);
    this.#moments = new Moments(this);
    this.#ask = new AskDialog(this);
    this.#invite = new InviteDialog(this);
    this.#reaction = new ReactionDialog(this);
    new FriendsPanel(this);
    new AsksList(this);
    new GroupsList(this);
    new ReceivedPanel(this);
    new SentPanel(this);
    this.settings = new SettingsDialog(this);
    this.center = new NotificationCenter(this);
    new ConnectionLine(this.client);
    showSelf(this.self, this.#status, (status) => this.#chooseStatus(status));
    this.#listen();
    this.room = new Room(this);
    this.moods = new Moods(this);
    this.#takeUpUnsent();
  }

  /** Show the page and connect. */
  start() {
    document.body.dataset.view = "home";
    this.#load().catch(() => {}); // what the hub cannot tell now, it tells when the connection opens
    this.client.start();
    this.push.look();
    followPushes(this);
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
    const stores = [this.people, this.hugs, this.asks, this.groups, this.marks, this.notifications];
    await Promise.all(stores.map((store) => store.load()));
  }

  /** Now, in Unix ms of the hub's clock. */
  get serverNow() {
    return Date.now() + this.#skewMs;
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
    on("hug.undone", ({ id }) => this.#undoneByOther(id));
    on("hug.felt", ({ id, from, emoji, message }) => this.#felt(id, from, { emoji, message }));
    on("hug.mutual", (event) => this.#met(event));
    on("hug.preparing", (event) => this.#preparing(event));
    on("request.received", ({ from }) => this.#asksChanged(`${from.name} asks for a hug`));
    on("request.answered", () => this.#asksChanged());
    on("request.expired", () => this.#asksChanged());
    on("group.invited", (event) => this.#invited(event));
    on("group.started", () => this.groups.reloadSoon());
    on("group.joined", (event) => this.groups.came(event));
    on("group.left", (event) => this.groups.went(event));
    on("group.pulse", (event) => this.groups.pulsed(event));
    on("group.completed", (event) => this.#roomCompleted(event));
    on("group.cancelled", (event) => this.#roomCancelled(event));
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

  #received({ id, seq, from, kind, message, style, request, at }) {
    const hug = { id, seq, from, to: this.self, kind, message, style, request, at, state: "delivered" };
    const isNew = !this.hugs.received.isSeen(id);
    this.hugs.received.put(hug);
    this.people.closing(from.id);
    if (isNew && !this.marks.isMuted(from.id)) this.#arrivals.add(hug);
  }

  #undoneByOther(id) {
    this.hugs.received.remove(id);
    this.#arrivals.forget([id]);
  }

  #felt(id, from, reaction) {
    this.hugs.sent.change(id, { state: "felt", reaction });
    if (!this.marks.isMuted(from.id)) toast(`${from.name} felt your hug: ${reaction.emoji}`);
  }

  #met({ user, hugs, starts_at: startsAt }) {
    for (const list of [this.hugs.sent, this.hugs.received]) for (const id of hugs) if (list.get(id)) list.change(id, { mutual_at: startsAt });
    const hug = hugs.map((id) => this.hugs.received.get(id)).find((known) => known !== undefined);
    if (!this.#moments.mutual(user, this.serverNow - Date.parse(startsAt), hug)) return;
    this.#arrivals.forget(hugs);
    if (hug && document.visibilityState === "visible") setTimeout(() => this.seen.read([hug.id]), READ_AFTER_MS);
  }

  #preparing({ from, until }) {
    const forMs = Date.parse(until) - this.serverNow;
    if (forMs <= 0 || this.marks.isMuted(from.id)) return;
    if (this.people.opening(from.id, forMs)) announce(`${from.name} opens their arms for you`);
  }

  #asksChanged(text = "") {
    if (text !== "") toast(text);
    this.asks.reloadSoon();
  }

  #invited(event) {
    this.groups.invited(event);
    if (this.serverNow < Date.parse(event.expires_at)) toast(`${event.from.name} invites you to “${event.name}”`);
  }

  #roomCompleted(event) {
    this.groups.ended(event.id, "completed");
    if (this.room.id === event.id) this.room.close();
    this.#moments.completed(event, this.serverNow - Date.parse(event.at));
  }

  #roomCancelled({ id, name, state, at }) {
    this.groups.ended(id, state);
    const isNews = this.serverNow - Date.parse(at) < DEAF_MS;
    if (isNews) toast(state === "expired" ? `The time for “${name}” is over.` : `“${name}” was called off.`);
    if (this.room.id === id) this.room.close();
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
    const done = this.client.command({ type: "hug.seen", ids });
    done.then(() => this.notifications.lookSoon()).catch(() => {}); // then they are new again on the next visit
  }

  // What the person does

  compose(friend, request = null) {
    this.#composer.open(friend, request);
  }

  showPerson(person) {
    this.#person.open(person);
  }

  ask(friend) {
    this.#ask.open(friend);
  }

  inviteTo(group) {
    this.#invite.open(group);
  }

  react(hug) {
    this.#reaction.open(hug);
  }

  /** Take a hug back. */
  async undo(id) {
    try {
      await this.client.command({ type: "hug.undo", id });
      this.hugs.sent.change(id, { state: "undone" });
    } catch (error) {
      this.tellProblem(error);
    }
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

  #send({ to, kind, message, request }) {
    const hug = { id: uuid7(), from: this.self, to: { id: to.id, name: to.name }, kind, message, request, at: this.#now(), state: "sending" };
    this.hugs.sent.put(hug);
    if (request !== null) this.asks.forget(request);
    this.#track(hug.id, this.client.command(commandOf(hug)));
  }

  /** Send a hug that failed once more. */
  resend(id) {
    const { problem: _, ...hug } = this.hugs.sent.get(id);
    this.hugs.sent.remove(id);
    this.hugs.sent.put({ ...hug, at: this.#now(), state: "sending" });
    this.#track(id, this.client.command(commandOf(hug)));
  }

  /** What was on its way when the page was loaded anew. */
  #takeUpUnsent() {
    for (const { command, done } of this.client.restored) {
      if (command.type === "mood.log") {
        this.moods.takeUp(command, done);
        continue;
      }
      if (command.type !== "hug.send") {
        done.catch((error) => this.tellProblem(error));
        continue;
      }
      const { id, to, kind, message, request } = command;
      this.hugs.sent.put({ id, from: this.self, to: { id: to }, kind, message, request, at: this.#now(), state: "sending" });
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
    if (this.hugs.sent.get(id)?.request) this.asks.reloadSoon();
  }

  #chooseStatus(status) {
    this.#status = status;
    sessionStorage.setItem(STATUS_KEY, status);
    this.client.setStatus(status);
  }

  async logOut() {
    this.#isLeaving = true;
    this.#outbox.clear();
    this.moods.clear();
    this.client.close();
    sessionStorage.removeItem(STATUS_KEY);
    await this.push.leave();
    await this.#identity.leave();
    this.onleave("");
  }

  #now() {
    return new Date(this.serverNow).toISOString();
  }
}

/** @param {import("./hugs.js").Hug} hug */
function commandOf({ id, to, kind, message, request }) {
  return { type: "hug.send", id, to: to.id, kind, ...(message ? { message } : {}), ...(request ? { request } : {}) };
}
