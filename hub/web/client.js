/**
 * The HugMood client for browsers: one user's session, over as many connections as it takes.
 *
 * Invariant: the app is handed durable events 1, 2, 3 … of the inbox, each once, in order; a command is
 * carried out once, however often the connection breaks. The same promises as protocol/client.py.
 *
 *     const client = new HugMoodClient({ url: "wss://hugs.example/v1/socket", device, getToken });
 *     client.addEventListener("hug.received", ({ detail }) => show(detail));
 *     client.start();
 *     await client.command({ type: "hug.send", id: uuid7(), to, kind: "bear" });
 *
 * Every event of the protocol is dispatched under its own name, with the message as `detail`; besides
 * them `state` (a `State`), `welcome`, `caught_up`, and `fault` (an error that answers nobody).
 */

import { Backoff } from "./backoff.js";
import { LOST, Reconnect, reconnects } from "./codes.js";
import { Connection } from "./connection.js";
import { Cursor, Place } from "./cursor.js";
import { Outbox } from "./outbox.js";

export { CommandError } from "./outbox.js";
export { uuid7 } from "./ids.js";

const ACK_EVENTS = 16;
const ACK_MS = 1_000;
const STABLE_MS = 10_000;
const DEFAULTS = {
  status: "online",
  random: Math.random,
  onreset: async () => {},
  cursorStore: { load: () => null, save() {} },
  outboxStore: { load: () => [], save() {} },
};

/** Thrown by `getToken` when there is no way to a new token but logging in. */
export class SignedOut extends Error {}

/**
 * @typedef {object} State
 * @property {"idle" | "connecting" | "live" | "waiting" | "stopped"} name
 * @property {number} [retryAt] when waiting: Unix ms of the next try
 * @property {number} [code] when stopped: the close code, if there was one
 * @property {string} [reason] when stopped: why
 *
 * @typedef {object} Options
 * @property {string} url of `/v1/socket`
 * @property {string} device id of this browser, kept by the app
 * @property {(how: {isFresh: boolean}) => Promise<string>} getToken a valid access token; `isFresh`: not the last
 *   one. Throws `SignedOut` when only logging in helps.
 * @property {(welcome: any) => Promise<void>} [onreset] load the state anew by REST: the events up to
 *   `welcome.head` will not come. Called again, after a while, when it throws.
 * @property {import("./cursor.js").CursorStore} [cursorStore] without one, a new client starts at the head
 * @property {import("./outbox.js").OutboxStore} [outboxStore] without one, unanswered hugs end with the page
 * @property {string} [status]
 * @property {typeof WebSocket} [WebSocket]
 * @property {() => number} [random]
 */

export class HugMoodClient extends EventTarget {
  /** @type {State} */
  state = { name: "idle" };
  #options;
  #cursor;
  #outbox;
  #backoff;
  /** @type {Connection | null} */
  #connection = null;
  #status;
  #needsToken = false;
  #needsReset = false;
  #isStable = false;
  #notBefore = 0;
  #attempt = 0;
  #timers = { ack: undefined, stable: undefined, retry: undefined };

  /** @param {Options} options */
  constructor(options) {
    super();
    this.#options = { ...DEFAULTS, WebSocket: globalThis.WebSocket, ...options };
    this.#status = this.#options.status;
    this.#cursor = new Cursor(this.#options.cursorStore);
    this.#outbox = new Outbox(this.#options.outboxStore, this.#options.random);
    this.#backoff = new Backoff(this.#options.random);
  }

  /** Commands that an earlier page left unanswered, with their outcome to come. */
  get restored() {
    return this.#outbox.restored;
  }

  /** Connect, and stay connected until `close`. */
  start() {
    if (this.state.name === "idle" || this.state.name === "stopped") this.#connect();
  }

  /** End the session. Unanswered commands reject; hugs among them are sent by the next client with this store. */
  close() {
    this.#ack();
    this.#stop("closed");
    this.#outbox.close();
  }

  /** The network or the person is back: look at once whether we are connected, or try to be. */
  wake() {
    if (this.state.name === "live") this.#connection?.probe();
    else if (this.state.name === "waiting") this.#retryIn(Math.max(0, this.#notBefore - Date.now()));
  }

  /**
   * Have *command* carried out, now or once connected.
   * @param {any} command with its `type`, without `ref`
   * @returns {Promise<any>} the `ok`; rejects with `CommandError`
   */
  command(command) {
    return this.#outbox.add(command);
  }

  /** Say what is worth nothing later: now or never. Whether the hub minded is not told. */
  tell(command) {
    if (this.state.name === "live") this.#connection?.send({ ...command, ref: "told" });
  }

  /** The status of this device, now and in every `hello` to come. */
  setStatus(status) {
    this.#status = status;
    if (this.state.name === "live") this.#connection?.send({ type: "presence.set", status });
  }

  // Connecting

  async #connect() {
    const attempt = ++this.#attempt;
    clearTimeout(this.#timers.retry);
    this.#become({ name: "connecting" });
    let token;
    try {
      token = await this.#options.getToken({ isFresh: this.#needsToken });
    } catch (error) {
      if (attempt === this.#attempt) this.#noToken(error);
      return;
    }
    if (attempt !== this.#attempt) return;
    this.#needsToken = false;
    const connection = new Connection(this.#options.url, this.#options.WebSocket, {
      hello: () => this.#hello(token),
      onmessage: (message) => this.#receive(message, connection),
      onend: (end) => connection === this.#connection && this.#ended(end),
    });
    this.#connection = connection;
  }

  #hello(token) {
    return { type: "hello", token, device: this.#options.device, status: this.#status, ...this.#cursor.resumption };
  }

  #noToken(error) {
    if (error instanceof SignedOut) this.#stop(error.message);
    else this.#retryIn(this.#backoff.next());
  }

  /** @param {import("./connection.js").End} end */
  #ended({ code, reason, retryAfterMs, reconnect }) {
    const wasStable = this.#isStable;
    this.#drop();
    const band = reconnect ? reconnects(code) : Reconnect.STOP;
    if (band === Reconnect.STOP) {
      this.#stop(reason, code);
      return;
    }
    this.#needsToken ||= band === Reconnect.NEW_TOKEN;
    this.#notBefore = Date.now() + retryAfterMs;
    // Without the backoff only after a connection that held: otherwise a hub that always says "resume" is stormed.
    const atOnce = wasStable && band !== Reconnect.BACKOFF;
    this.#retryIn(atOnce ? retryAfterMs : this.#backoff.next(retryAfterMs));
  }

  #retryIn(delayMs) {
    clearTimeout(this.#timers.retry);
    this.#become({ name: "waiting", retryAt: Date.now() + delayMs });
    this.#timers.retry = setTimeout(() => this.#connect(), delayMs);
  }

  #stop(reason, code) {
    this.#attempt += 1;
    clearTimeout(this.#timers.retry);
    const connection = this.#connection;
    this.#drop();
    this.#become({ name: "stopped", code, reason });
    connection?.abandon(LOST, reason);
  }

  #drop() {
    this.#connection = null;
    this.#isStable = false;
    clearTimeout(this.#timers.stable);
    clearTimeout(this.#timers.ack);
    this.#timers.ack = undefined;
    this.#outbox.disconnected();
  }

  #become(state) {
    this.state = state;
    this.#tell("state", state);
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  // What the hub says

  #receive(message, connection) {
    if (connection !== this.#connection) return;
    if (message.seq !== undefined && message.type !== "ok" && message.type !== "caught_up") {
      this.#durable(message);
      return;
    }
    switch (message.type) {
      case "welcome":
        this.#welcome(message, connection);
        break;
      case "ok":
      case "error":
        this.#outbox.answered(message);
        if (message.type === "error" && message.ref === undefined) this.#tell("fault", message);
        break;
      case "session.expiring":
        this.#renew(connection);
        break;
      default:
        this.#tell(message.type, message);
    }
  }

  #welcome(message, connection) {
    connection.opened(message.heartbeat_ms);
    this.#timers.stable = setTimeout(() => {
      this.#isStable = true;
      this.#backoff.reset();
    }, STABLE_MS);
    if (message.resumed) {
      this.#cursor.resume(message.epoch, message.acked);
    } else {
      this.#cursor.restart(message.epoch, message.head);
      this.#needsReset = true;
    }
    this.#become({ name: "live" });
    this.#tell("welcome", message);
    this.#outbox.connected((command) => connection.send(command), message.limits?.commands_in_flight);
    if (this.#needsReset) this.#reset(message, connection);
    else this.#ackSoon();
  }

  // A connection that ends meanwhile leaves `#needsReset` set: the next one may resume, but the state is still to be loaded.
  async #reset(welcome, connection) {
    const backoff = new Backoff(this.#options.random);
    while (this.#needsReset && connection === this.#connection) {
      try {
        await this.#options.onreset(welcome);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, backoff.next()));
        continue;
      }
      if (connection !== this.#connection) return;
      this.#needsReset = false;
      this.#cursor.release();
      this.#ackSoon();
    }
  }

  #durable(event) {
    switch (this.#cursor.place(event.seq)) {
      case Place.NEXT:
        this.#tell(event.type, event);
        this.#cursor.advance(event.seq);
        this.#ackSoon();
        break;
      case Place.GAP:
        // Should never be; coming back with what we have makes the hub send the missing ones.
        this.#connection.abandon(LOST, `seq ${event.seq} came after ${this.#cursor.seq}`);
        break;
      default: // a duplicate
    }
  }

  #ackSoon() {
    if (this.#cursor.unacked >= ACK_EVENTS) this.#ack();
    else if (this.#cursor.unacked > 0) this.#timers.ack ??= setTimeout(() => this.#ack(), ACK_MS);
  }

  #ack() {
    clearTimeout(this.#timers.ack);
    this.#timers.ack = undefined;
    if (this.state.name !== "live" || this.#cursor.unacked === 0) return;
    this.#connection.send({ type: "ack", seq: this.#cursor.seq });
    this.#cursor.acked = this.#cursor.seq;
  }

  async #renew(connection) {
    const backoff = new Backoff(this.#options.random);
    while (connection === this.#connection) {
      try {
        connection.send({ type: "auth.refresh", token: await this.#options.getToken({ isFresh: true }) });
        return;
      } catch (error) {
        if (error instanceof SignedOut) {
          if (connection === this.#connection) this.#stop(error.message);
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, backoff.next()));
      }
    }
  }
}
