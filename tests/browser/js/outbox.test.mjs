import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { COMMANDS_MAX, CommandError, Outbox } from "../../../hub/web/outbox.js";
import { memoryStore, pass, settle, standStill } from "./script.mjs";

let sent;
let store;
let outbox;

const hugSend = (id) => ({ type: "hug.send", id, to: "z", kind: "warm" });
const write = (message) => sent.push(message);
const ids = () => sent.map(({ id }) => id);
const ok = (message) => outbox.answered({ type: "ok", ref: message.ref, id: message.id, state: "accepted" });
const no = (message, fields) => outbox.answered({ type: "error", ref: message.ref, code: "forbidden", message: "No.", retryable: false, ...fields });

beforeEach(() => {
  standStill();
  sent = [];
  store = memoryStore([]);
  outbox = new Outbox(store, () => 1);
});
afterEach(() => mock.timers.reset());

test("nothing is written before the session is open, then everything in order", async () => {
  const answers = ["a", "b", "c"].map((id) => outbox.add(hugSend(id)));
  assert.deepEqual(sent, []);
  outbox.connected(write);
  assert.deepEqual(ids(), ["a", "b", "c"]);
  sent.forEach(ok);
  assert.deepEqual((await Promise.all(answers)).map(({ id }) => id), ["a", "b", "c"]);
  assert.equal(outbox.size, 0);
});

test("answers find their commands by ref, in any order; others' are ignored", async () => {
  outbox.connected(write);
  const first = outbox.add(hugSend("a"));
  const second = outbox.add({ type: "friend.request", to: "z" });
  outbox.answered({ type: "ok", ref: "ping" });
  outbox.answered({ type: "error", code: "invalid", message: "of nobody" });
  ok(sent[1]);
  await second;
  assert.equal(outbox.size, 1);
  ok(sent[0]);
  await first;
});

test("what was sent and not answered is sent again after a reconnect, with the same id", async () => {
  outbox.connected(write);
  const done = outbox.add(hugSend("a"));
  outbox.disconnected();
  const later = outbox.add(hugSend("b"));
  outbox.connected(write);
  assert.deepEqual(ids(), ["a", "a", "b"]);
  assert.equal(sent[0].ref, sent[1].ref);
  ok(sent[1]);
  ok(sent[2]);
  await Promise.all([done, later]);
});

test("what was answered is not sent again", async () => {
  outbox.connected(write);
  const done = outbox.add(hugSend("a"));
  ok(sent[0]);
  await done;
  outbox.connected(write);
  assert.deepEqual(ids(), ["a"]);
});

test("a refusal is told to who gave the command, and not repeated", async () => {
  outbox.connected(write);
  const done = outbox.add(hugSend("a"));
  no(sent[0]);
  await assert.rejects(done, (error) => error instanceof CommandError && error.code === "forbidden" && error.message === "No.");
  outbox.connected(write);
  assert.equal(sent.length, 1);
});

test("a retryable error is tried again, not before retry_after_ms", async () => {
  outbox.connected(write);
  const done = outbox.add(hugSend("a"));
  no(sent[0], { code: "unavailable", retryable: true, retry_after_ms: 3000 });
  await pass(2999);
  assert.equal(sent.length, 1);
  await pass(1);
  assert.deepEqual(ids(), ["a", "a"]);
  ok(sent[1]);
  await done;
});

test("while one waits to be tried again, others go out", () => {
  outbox.connected(write);
  outbox.add(hugSend("a")).catch(() => {});
  no(sent[0], { code: "unavailable", retryable: true, retry_after_ms: 3000 });
  outbox.add(hugSend("b")).catch(() => {});
  assert.deepEqual(ids(), ["a", "b"]);
});

test("a wait that ends while there is no connection goes on at the next one", async () => {
  outbox.connected(write);
  outbox.add(hugSend("a")).catch(() => {});
  no(sent[0], { code: "unavailable", retryable: true, retry_after_ms: 3000 });
  outbox.disconnected();
  await pass(3000);
  assert.equal(sent.length, 1);
  outbox.connected(write);
  assert.deepEqual(ids(), ["a", "a"]);
});

test("who would wait for an hour is told at once", async () => {
  outbox.connected(write);
  const done = outbox.add(hugSend("a"));
  no(sent[0], { code: "rate_limited", retryable: true, retry_after_ms: 3_600_000 });
  await assert.rejects(done, { code: "rate_limited", retryAfterMs: 3_600_000 });
});

test("a command that never passes is given up; a server that is away is waited for", async () => {
  outbox.connected(write);
  const givenUp = assert.rejects(outbox.add(hugSend("a")), { code: "internal" });
  for (let tries = 0; tries < 8; tries += 1) {
    no(sent.at(-1), { code: "internal", retryable: true });
    await pass(20_000);
  }
  await givenUp;
  assert.equal(sent.length, 8);

  const away = outbox.add(hugSend("b"));
  for (let tries = 0; tries < 30; tries += 1) {
    no(sent.at(-1), { code: "unavailable", retryable: true, retry_after_ms: 1000 });
    await pass(20_000);
  }
  ok(sent.at(-1));
  await away;
});

test("never more in flight than the hub takes at once", async () => {
  for (let made = 0; made < 10; made += 1) outbox.add(hugSend(`h${made}`)).catch(() => {});
  outbox.connected(write, 4);
  assert.equal(sent.length, 4);
  ok(sent[0]);
  assert.equal(sent.length, 5);
  ok(sent[1]);
  ok(sent[2]);
  assert.deepEqual(ids(), ["h0", "h1", "h2", "h3", "h4", "h5", "h6"]);
});

test("the queue is bounded, and says so", async () => {
  for (let made = 0; made < COMMANDS_MAX; made += 1) outbox.add(hugSend(`h${made}`)).catch(() => {});
  await assert.rejects(outbox.add(hugSend("one more")), CommandError);
  assert.equal(outbox.size, COMMANDS_MAX);
});

test("hugs outlive the page until they are answered; what has no id does not", async () => {
  outbox.add(hugSend("a")).catch(() => {});
  outbox.add({ type: "friend.request", to: "z" }).catch(() => {});
  outbox.close();
  assert.deepEqual(store.value, [hugSend("a")]);

  outbox = new Outbox(store, () => 1);
  assert.deepEqual(outbox.restored.map(({ command }) => command), [hugSend("a")]);
  outbox.connected(write);
  assert.deepEqual(ids(), ["a"]);
  ok(sent[0]);
  assert.equal((await outbox.restored[0].done).state, "accepted");
  assert.deepEqual(store.value, []);
});

test("closing answers everybody", async () => {
  const done = outbox.add(hugSend("a"));
  outbox.close();
  await assert.rejects(done, CommandError);
  await settle();
});
