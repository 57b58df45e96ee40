/** A mood is sent until it is saved, and is one mood. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { MoodOutbox, SAVED_WITHIN_MS } from "../../../hub/web/mood_outbox.js";
import { CommandError } from "../../../hub/web/outbox.js";
import { pass, settle, standStill } from "./script.mjs";

/** A client whose hub is the test. */
class ScriptedClient extends EventTarget {
  state = { name: "live" };
  heard = [];

  command(command) {
    return new Promise((resolve, reject) => this.heard.push({ command, resolve, reject }));
  }

  say(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  get ids() {
    return this.heard.map(({ command }) => command.id);
  }
}

let client;
let kept;
const store = {
  load: () => [...kept.values()],
  keep: (mood) => kept.set(mood.command.id, structuredClone(mood)),
  forget: (id) => kept.delete(id),
};
const begin = (now = () => Date.now()) => new MoodOutbox(client, store, now, () => 0);
const calm = { mood: "calm", timezone: "Europe/Berlin", visibility: "private" };

beforeEach(() => {
  standStill();
  client = new ScriptedClient();
  kept = new Map();
});
afterEach(() => mock.timers.reset());

test("queued is not saved: it is sent again, unchanged, until it is", async () => {
  const moods = begin();
  const saved = [];
  moods.addEventListener("saved", ({ detail }) => saved.push(detail));
  const id = moods.add(calm);
  for (let times = 1; times <= 4; times += 1) {
    assert.equal(client.heard.length, times);
    client.heard.at(-1).resolve({ state: "queued" });
    await settle();
    assert.equal(moods.all[0].state, "saving");
    await pass(SAVED_WITHIN_MS - 1);
    assert.equal(client.heard.length, times);
    await pass(1);
  }
  assert.equal(new Set(client.heard.map(({ command }) => JSON.stringify(command))).size, 1);
  client.say("mood.saved", { id });
  client.say("mood.saved", { id });
  assert.deepEqual(saved, [id]);
  assert.equal(moods.all[0].state, "saved");
  assert.equal(kept.size, 0);
  client.heard.at(-1).resolve({ state: "queued" });
  await pass(60_000);
  assert.equal(client.heard.length, 5);
});

test("one that the hub has yet to answer is not sent a second time beside it", async () => {
  const moods = begin();
  moods.add(calm);
  client.say("welcome");
  await pass(60_000);
  assert.equal(client.heard.length, 1);
});

test("without a connection it waits, is kept, and tells when it was felt by the clock of the hub", async () => {
  client.state = { name: "waiting" };
  const aheadMs = 3_600_000;
  const moods = begin(() => Date.now() + aheadMs);
  const felt = Date.now();
  const id = moods.add(calm);
  assert.equal(client.heard.length, 0);
  assert.ok(kept.has(id));
  await pass(90_000);
  client.state = { name: "live" };
  client.say("welcome");
  assert.equal(client.heard[0].command.felt_at, new Date(felt + aheadMs).toISOString());
});

test("a moment that the person has chosen stays", () => {
  begin().add({ ...calm, felt_at: "2026-01-02T03:04:05.000Z" });
  assert.equal(client.heard[0].command.felt_at, "2026-01-02T03:04:05.000Z");
});

test("a page loaded anew goes on with what was not saved, and with what is still to be answered", async () => {
  const first = begin();
  const [one, two] = [first.add(calm), first.add({ ...calm, mood: "happy" })];
  const restored = client.heard[1].command;
  client = new ScriptedClient();
  const moods = begin();
  moods.takeUp(restored, new Promise(() => {}));
  assert.deepEqual(moods.all.map(({ command }) => command.id), [two, one]);
  client.say("welcome");
  assert.deepEqual(client.ids, [one]);
});

test("what is refused is told with the reason, and not sent again", async () => {
  const moods = begin();
  const ids = [moods.add(calm), moods.add(calm)];
  client.heard[0].reject(new CommandError("invalid", "A mood is told within 30 days."));
  await settle();
  client.say("mood.rejected", { id: ids[1], code: "invalid", message: "No." });
  assert.deepEqual(moods.all.map(({ state, problem }) => [state, problem]), [
    ["refused", "No."],
    ["refused", "A mood is told within 30 days."],
  ]);
  assert.equal(kept.size, 0);
  client.say("welcome");
  await pass(600_000);
  assert.equal(client.heard.length, 2);
  moods.dismiss(ids[0]);
  assert.equal(moods.all.length, 1);
});

test("what passes is no refusal: it is sent again when the hub has said", async () => {
  const moods = begin();
  moods.add(calm);
  client.heard[0].reject(new CommandError("rate_limited", "Slowly.", 120_000));
  await settle();
  assert.equal(moods.all[0].state, "saving");
  await pass(119_999);
  assert.equal(client.heard.length, 1);
  await pass(1);
  assert.equal(client.heard.length, 2);
});

test("logging out keeps nothing in the browser", async () => {
  const moods = begin();
  moods.add(calm);
  moods.clear();
  assert.equal(kept.size, 0);
  client.heard[0].reject(new CommandError("unavailable", "The connection was closed."));
  await pass(600_000);
  assert.equal(client.heard.length, 1);
  assert.deepEqual(moods.all, []);
});
