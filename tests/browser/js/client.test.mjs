import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { SignedOut } from "../../../hub/web/client.js";
import { ScriptedSocket, goLive, hug, makeClient, memoryStore, pass, settle, standStill } from "./script.mjs";

beforeEach(() => {
  standStill();
  ScriptedSocket.reset();
});
afterEach(() => mock.timers.reset());

test("says hello with token, device and status, on the JSON subprotocol, and no cursor the first time", async () => {
  const { client } = makeClient({ status: "invisible" });
  client.start();
  await settle();
  assert.deepEqual(ScriptedSocket.last.protocols, ["hugmood.v1.json"]);
  ScriptedSocket.last.open();
  assert.deepEqual(ScriptedSocket.last.heard, [{ type: "hello", token: "token 1", device: "d", status: "invisible" }]);
});

test("events are handed over in order, duplicates dropped, and the cursor is saved after each", async () => {
  const { client, told, cursorStore } = makeClient();
  const socket = await goLive(client);
  const saved = [];
  client.addEventListener("hug.received", () => saved.push(cursorStore.value.seq));
  for (const seq of [1, 2, 2, 1, 3]) socket.say(hug(seq));
  assert.deepEqual(told.events, [1, 2, 3]);
  assert.deepEqual(saved, [0, 1, 2], "while an event is handed over, what is saved is the one before");
  assert.deepEqual(cursorStore.value, { epoch: "e1", seq: 3 });
});

test("a gap makes it come back and resume from what it has", async () => {
  const { client, told } = makeClient();
  const socket = await goLive(client);
  socket.say(hug(1));
  socket.say(hug(3));
  assert.deepEqual(told.events, [1]);
  assert.equal(socket.closedWith, 1000);
  await pass(500);
  const next = ScriptedSocket.last;
  assert.notEqual(next, socket);
  next.open();
  assert.equal(next.heard[0].after, 1);
  assert.equal(next.heard[0].epoch, "e1");
  next.welcome({ resumed: true, head: 3 });
  [2, 3].forEach((seq) => next.say(hug(seq)));
  assert.deepEqual(told.events, [1, 2, 3]);
});

test("an earlier page's place is resumed; what an old connection still says is not heard", async () => {
  const { client, told } = makeClient({ cursorStore: memoryStore({ epoch: "e1", seq: 40 }) });
  const socket = await goLive(client, { resumed: true, head: 41, acked: 40 });
  assert.equal(socket.heard[0].after, 40);
  assert.equal(told.resets, 0);
  const says = socket.onmessage;
  socket.drop();
  says({ data: JSON.stringify(hug(41)) });
  assert.deepEqual(told.events, []);
});

test("sixteen events are acknowledged at once, fewer after a second", async () => {
  const { client } = makeClient();
  const socket = await goLive(client);
  for (let seq = 1; seq <= 15; seq += 1) socket.say(hug(seq));
  assert.deepEqual(socket.heardOf("ack"), []);
  socket.say(hug(16));
  assert.deepEqual(socket.heardOf("ack"), [{ type: "ack", seq: 16 }]);
  socket.say(hug(17));
  await pass(999);
  assert.equal(socket.heardOf("ack").length, 1);
  await pass(1);
  assert.deepEqual(socket.heardOf("ack").at(-1), { type: "ack", seq: 17 });
  await pass(20_000);
  assert.equal(socket.heardOf("ack").length, 2, "nothing new, nothing to say");
});

test("what was had but not acknowledged before a break is acknowledged after it", async () => {
  const { client } = makeClient();
  const socket = await goLive(client);
  socket.say(hug(1));
  socket.drop();
  await pass(500);
  ScriptedSocket.last.welcome({ resumed: true, head: 1, acked: 0 });
  await pass(1000);
  assert.deepEqual(ScriptedSocket.last.heardOf("ack"), [{ type: "ack", seq: 1 }]);
});

test("no resumption: the app loads its state, and only then is that place saved and acknowledged", async () => {
  let release;
  const { client, told, cursorStore } = makeClient({
    cursorStore: memoryStore({ epoch: "e0", seq: 7 }),
    onreset: () => new Promise((resolve) => (release = resolve)),
  });
  const socket = await goLive(client, { epoch: "e1", head: 50 });
  socket.say(hug(51));
  await pass(5000);
  assert.deepEqual(told.events, [51], "live events do not wait");
  assert.deepEqual(cursorStore.value, { epoch: "e0", seq: 7 });
  assert.deepEqual(socket.heardOf("ack"), []);
  release();
  await pass(1000);
  assert.deepEqual(cursorStore.value, { epoch: "e1", seq: 51 });
  assert.deepEqual(socket.heardOf("ack"), [{ type: "ack", seq: 51 }]);
});

test("a state that could not be loaded is loaded later, also when the next connection resumes", async () => {
  let fails = true;
  let tries = 0;
  const { client, cursorStore } = makeClient({
    onreset: async () => {
      tries += 1;
      if (fails) throw new Error("no REST");
    },
  });
  const socket = await goLive(client, { head: 5 });
  assert.equal(tries, 1);
  await pass(500);
  assert.equal(tries, 2);
  socket.drop();
  await pass(500);
  fails = false;
  ScriptedSocket.last.welcome({ resumed: true, head: 5 });
  await settle();
  assert.equal(tries, 3);
  assert.deepEqual(cursorStore.value, { epoch: "e1", seq: 5 });
});

test("a command given while offline goes out after welcome, and again until answered", async () => {
  const { client } = makeClient();
  const done = client.command({ type: "hug.send", id: "h", to: "z", kind: "bear" });
  const socket = await goLive(client);
  assert.equal(socket.heardOf("hug.send").length, 1);
  socket.drop();
  await pass(500);
  ScriptedSocket.last.open();
  assert.deepEqual(ScriptedSocket.last.heardOf("hug.send"), [], "not before the session is open");
  ScriptedSocket.last.welcome({ resumed: true });
  const [again] = ScriptedSocket.last.heardOf("hug.send");
  assert.equal(again.id, "h");
  ScriptedSocket.last.say({ type: "ok", ref: again.ref, id: "h", state: "accepted" });
  assert.equal((await done).state, "accepted");
});

test("an error that answers nobody is told", async () => {
  const { client } = makeClient();
  const faults = [];
  client.addEventListener("fault", ({ detail }) => faults.push(detail.code));
  const socket = await goLive(client);
  socket.say({ type: "error", code: "invalid", message: "What?", retryable: false });
  assert.deepEqual(faults, ["invalid"]);
});

test("events it does not know, and fields it does not know, are no trouble", async () => {
  const { client, told } = makeClient();
  const socket = await goLive(client);
  socket.say({ type: "weather", seq: 1 });
  socket.say({ type: "breeze", strength: 3 });
  socket.say({ ...hug(2), colour: "red" });
  assert.deepEqual(told.events, [2]);
  assert.equal(client.state.name, "live");
});

test("a quiet connection is asked, and given up when it does not answer", async () => {
  const { client, told } = makeClient();
  const socket = await goLive(client);
  await pass(12_500);
  assert.deepEqual(socket.heardOf("ping"), [], "what was heard counts until the next beat");
  await pass(12_500);
  assert.deepEqual(socket.heardOf("ping"), [{ type: "ping", ref: "ping" }]);
  socket.say({ type: "ok", ref: "ping", server_time: "2026-01-01T00:00:00.000Z" });
  await pass(10_000);
  assert.equal(client.state.name, "live");
  await pass(15_000);
  assert.equal(socket.heardOf("ping").length, 2);
  await pass(10_000);
  assert.equal(socket.closedWith, 1000);
  assert.equal(told.states.at(-1), "connecting", "it held: it comes back at once");
});

test("a handshake that hangs is given up after ten seconds", async () => {
  const { client } = makeClient();
  client.start();
  await settle();
  await pass(9_999);
  assert.equal(client.state.name, "connecting");
  await pass(1);
  assert.equal(client.state.name, "waiting");
});

test("wake looks at a live connection at once, and shortens a wait, but not below what the hub asked for", async () => {
  const { client } = makeClient();
  const socket = await goLive(client);
  client.wake();
  client.wake();
  assert.equal(socket.heardOf("ping").length, 1);
  socket.say({ type: "bye", code: 4101, reason: "full", reconnect: true, retry_after_ms: 5000 });
  assert.equal(client.state.name, "waiting");
  client.wake();
  await pass(4_999);
  assert.equal(ScriptedSocket.all.length, 1);
  await pass(1);
  assert.equal(ScriptedSocket.all.length, 2);
  ScriptedSocket.last.drop();
  client.wake();
  await pass(0);
  assert.equal(ScriptedSocket.all.length, 3);
});

test("the token is renewed before it ends, on the same connection", async () => {
  const { client, told } = makeClient();
  const socket = await goLive(client);
  socket.say({ type: "session.expiring", expires_at: "2026-01-01T00:15:00.000Z" });
  await settle();
  assert.deepEqual(told.tokens.at(-1), { isFresh: true });
  assert.deepEqual(socket.heardOf("auth.refresh"), [{ type: "auth.refresh", token: "token 2" }]);
  assert.equal(ScriptedSocket.all.length, 1);
});

test("without a way to a token it stops; without a network it tries again", async () => {
  const signedOut = makeClient({ getToken: async () => { throw new SignedOut("Log in again."); } });
  signedOut.client.start();
  await settle();
  assert.deepEqual(signedOut.client.state, { name: "stopped", code: undefined, reason: "Log in again." });

  const offline = makeClient({ getToken: async () => { throw new TypeError("network"); } });
  offline.client.start();
  await settle();
  assert.equal(offline.client.state.name, "waiting");
});

test("close acknowledges, closes with 1000, and stays closed", async () => {
  const { client, told } = makeClient();
  const socket = await goLive(client);
  socket.say(hug(1));
  client.close();
  assert.deepEqual(socket.heardOf("ack"), [{ type: "ack", seq: 1 }]);
  assert.equal(socket.closedWith, 1000);
  await pass(60_000);
  assert.equal(ScriptedSocket.all.length, 1);
  assert.equal(told.states.at(-1), "stopped");
});

test("the status goes out at once and with every hello to come", async () => {
  const { client } = makeClient();
  const socket = await goLive(client);
  client.setStatus("do_not_disturb");
  assert.deepEqual(socket.heardOf("presence.set"), [{ type: "presence.set", status: "do_not_disturb" }]);
  socket.drop();
  await pass(500);
  ScriptedSocket.last.open();
  assert.equal(ScriptedSocket.last.heard[0].status, "do_not_disturb");
});

test("what is worth nothing later is said now or never, and its error is for nobody", async () => {
  const { client } = makeClient();
  let faults = 0;
  client.addEventListener("fault", () => (faults += 1));
  const squeeze = { type: "group.squeeze", id: "g", strength: 0.5 };
  client.tell(squeeze);
  const socket = await goLive(client);
  assert.deepEqual(socket.heardOf("group.squeeze"), []);
  client.tell(squeeze);
  const [{ ref, ...said }] = socket.heardOf("group.squeeze");
  assert.deepEqual(said, squeeze);
  socket.say({ type: "error", ref, code: "conflict", message: "too late", retryable: false });
  assert.equal(faults, 0);
  socket.drop();
  client.tell(squeeze);
  await pass(500);
  ScriptedSocket.last.welcome({ resumed: true });
  assert.deepEqual(ScriptedSocket.last.heardOf("group.squeeze"), []);
});
