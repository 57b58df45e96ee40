/**
 * One WebSocket, from its handshake to its end.
 *
 * Invariant: `onend` is called exactly once, and after it nothing of this connection is heard any more:
 * a socket on a dead link may take minutes to close, and what it says then is no longer true.
 */

import { LOST, NO_PONG } from "./codes.js";

export const SUBPROTOCOL = "hugmood.v1.json";
const WELCOME_WITHIN_MS = 10_000;
const ANSWER_WITHIN_MS = 10_000;

/**
 * @typedef {{code: number, reason: string, retryAfterMs: number, reconnect: boolean}} End
 * @typedef {object} Handlers
 * @property {() => object} hello the first command
 * @property {(message: any) => void} onmessage
 * @property {(end: End) => void} onend
 */

export class Connection {
  /** @type {WebSocket} */
  #socket;
  #handlers;
  #isEnded = false;
  #hasHeard = false;
  #deadline;
  #heartbeat;
  #probe;

  /**
   * @param {string} url
   * @param {typeof WebSocket} WebSocketClass
   * @param {Handlers} handlers
   */
  constructor(url, WebSocketClass, handlers) {
    this.#handlers = handlers;
    this.#socket = new WebSocketClass(url, [SUBPROTOCOL]);
    this.#socket.onopen = () => this.send(handlers.hello());
    this.#socket.onmessage = (event) => this.#receive(event.data);
    this.#socket.onclose = (event) => this.#end(event.code, event.reason);
    // A handshake through a network that swallows packets hangs for minutes.
    this.#deadline = setTimeout(() => this.#end(LOST, "no welcome in time"), WELCOME_WITHIN_MS);
  }

  /** Write *message* if the socket is open. Whether it arrives is for its answer to say. */
  send(message) {
    if (!this.#isEnded && this.#socket.readyState === 1) this.#socket.send(JSON.stringify(message));
  }

  /** `welcome` has come: from now on silence is looked into. */
  opened(heartbeatMs) {
    clearTimeout(this.#deadline);
    this.#heartbeat = setInterval(() => this.#beat(), heartbeatMs / 2);
  }

  /** Find out now whether the other side is there. */
  probe() {
    if (this.#isEnded || this.#probe !== undefined) return;
    this.#hasHeard = false;
    this.send({ type: "ping", ref: "ping" });
    this.#probe = setTimeout(() => {
      this.#probe = undefined;
      if (!this.#hasHeard) this.#end(NO_PONG, "no answer to a ping");
    }, ANSWER_WITHIN_MS);
  }

  /** Give this connection up, as if the hub had closed it with *code*. */
  abandon(code, reason) {
    this.#end(code, reason);
  }

  // Browsers answer the hub's WebSocket pings unseen by us, so a quiet time says nothing: we ask.
  #beat() {
    if (this.#hasHeard) this.#hasHeard = false;
    else this.probe();
  }

  #receive(data) {
    if (this.#isEnded) return;
    this.#hasHeard = true;
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      this.#end(LOST, "the server sent something that is not JSON");
      return;
    }
    if (message.type === "bye") {
      // Close codes get lost on the way; nothing follows a `bye`, so there is nothing to wait for.
      this.#end(message.code, message.reason, message.retry_after_ms, message.reconnect);
    } else {
      this.#handlers.onmessage(message);
    }
  }

  #end(code, reason, retryAfterMs = 0, reconnect = true) {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#deadline);
    clearTimeout(this.#probe);
    clearInterval(this.#heartbeat);
    const socket = this.#socket;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(1000);
    this.#handlers.onend({ code, reason, retryAfterMs, reconnect });
  }
}
