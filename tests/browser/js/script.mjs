/** What the client's tests share: a socket whose other side is the test, and time that the test moves. */

import { mock } from "node:test";

import { HugMoodClient } from "../../../hub/web/client.js";

/** A WebSocket whose other side is the test. */
export class ScriptedSocket {
  /** Those made since `reset`, in order. @type {ScriptedSocket[]} */
  static all = [];

  static reset() {
    ScriptedSocket.all = [];
  }

  static get last() {
    return ScriptedSocket.all.at(-1);
  }

  readyState = 0;
  /** @type {any[]} what the client has written */
  heard = [];
  closedWith = null;

  constructor(url, protocols) {
    this.url = url;
    this.protocols = protocols;
    ScriptedSocket.all.push(this);
  }

  send(text) {
    if (this.readyState !== 1) throw new Error("InvalidStateError");
    this.heard.push(JSON.parse(text));
  }

  close(code) {
    this.readyState = 2;
    this.closedWith = code;
  }

  // The test's side

  open() {
    this.readyState = 1;
    this.onopen?.({});
  }

  say(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  drop(code = 1006, reason = "") {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }

  /** Commands of one type, as heard. */
  heardOf(type) {
    return this.heard.filter((message) => message.type === type);
  }

  welcome(fields = {}) {
    this.open();
    this.say({
      type: "welcome",
      session: "s",
      user: { id: "u", name: "Ana" },
      epoch: "e1",
      head: 0,
      acked: 0,
      resumed: false,
      server_time: "2026-01-01T00:00:00.000Z",
      heartbeat_ms: 25_000,
      limits: { commands_in_flight: 16 },
      friends: [],
      ...fields,
    });
  }
}

/** Time stands until the test moves it; promises go on as they are. */
export function standStill() {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1_700_000_000_000 });
}

/** Let everything that waits for no time come to its end. */
export async function settle() {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

export async function pass(ms) {
  mock.timers.tick(ms);
  await settle();
}

/** A store in memory; `value` is what is kept. */
export function memoryStore(value) {
  return {
    value,
    load() {
      return structuredClone(this.value);
    },
    save(kept) {
      this.value = structuredClone(kept);
    },
  };
}

/**
 * A client on scripted sockets, with what its app was told.
 * `random` is 1: every wait is as long as it may be, so that tests know it.
 */
export function makeClient(options = {}) {
  const told = { events: [], states: [], resets: 0, tokens: [] };
  const cursorStore = options.cursorStore ?? memoryStore(null);
  const outboxStore = options.outboxStore ?? memoryStore([]);
  const client = new HugMoodClient({
    url: "ws://hub/v1/socket",
    device: "d",
    WebSocket: ScriptedSocket,
    random: () => 1,
    getToken: async (how) => {
      told.tokens.push(how);
      return `token ${told.tokens.length}`;
    },
    onreset: async () => {
      told.resets += 1;
    },
    ...options,
    cursorStore,
    outboxStore,
  });
  client.addEventListener("hug.received", ({ detail }) => told.events.push(detail.seq));
  client.addEventListener("state", ({ detail }) => told.states.push(detail.name));
  return { client, told, cursorStore, outboxStore };
}

/** Start *client* and bring it to `live`. */
export async function goLive(client, fields) {
  client.start();
  await settle();
  ScriptedSocket.last.welcome(fields);
  await settle();
  return ScriptedSocket.last;
}

export function hug(seq) {
  return { type: "hug.received", seq, id: `h${seq}`, at: "2026-01-01T00:00:00.000Z", from: { id: "z", name: "Zoë" }, kind: "warm" };
}
