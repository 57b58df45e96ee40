/** The count of the bell: what REST says, looked at again whenever something may have changed it. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Notifications, TOLD_BY } from "../../../hub/web/notifications.js";
import { pass, settle, standStill } from "./script.mjs";

/** A hub that counts what it is asked; each answer waits for the test. */
class ScriptedApi {
  asked = [];

  call(method, path, body) {
    return new Promise((answer, refuse) => this.asked.push({ method, path, body, answer, refuse }));
  }

  get(path) {
    return this.call("GET", path);
  }

  async answer(index, unread, fields = {}) {
    this.asked[index].answer({ unread, ...fields });
    await settle();
  }
}

let api;
let client;
let notifications;

beforeEach(() => {
  standStill();
  api = new ScriptedApi();
  client = new EventTarget();
  notifications = new Notifications(api, client);
});

afterEach(() => mock.timers.reset());

function tell(name) {
  client.dispatchEvent(new CustomEvent(name, { detail: { unread: 999 } }));
}

for (const name of TOLD_BY) {
  test(`${name} makes it look again`, async () => {
    tell(name);
    await pass(1_000);
    assert.deepEqual(api.asked.map(({ path }) => path), ["/v1/me/notifications/unread"]);
    await api.answer(0, 3);
    assert.equal(notifications.unread, 3);
  });
}

test("what an old event says of the count is not believed", async () => {
  tell("notification");
  await pass(1_000);
  assert.equal(notifications.unread, 0);
  await api.answer(0, 2, { is_more: true });
  assert.deepEqual([notifications.unread, notifications.isMore], [2, true]);
});

test("a thousand events of a moment make one look, and those that come during it one more", async () => {
  for (let count = 0; count < 1_000; count += 1) tell("hug.received");
  await pass(1_000);
  assert.equal(api.asked.length, 1);
  for (let count = 0; count < 1_000; count += 1) tell("hug.received");
  await pass(1_000);
  assert.equal(api.asked.length, 2);
});

test("an answer that was overtaken changes nothing; one that is waited for long is not thrown away", async () => {
  tell("hug.received");
  await pass(1_000);
  tell("hug.undone");
  await pass(1_000);
  tell("hug.received");
  await pass(1_000);
  await api.answer(1, 7);
  assert.equal(notifications.unread, 7);
  await api.answer(0, 9);
  assert.equal(notifications.unread, 7);
  await api.answer(2, 8);
  assert.equal(notifications.unread, 8);
});

test("a look that fails leaves what was known, and the next one is made", async () => {
  tell("hug.received");
  await pass(1_000);
  await api.answer(0, 4);
  tell("hug.received");
  await pass(1_000);
  api.asked[1].refuse(new Error("no network"));
  await settle();
  assert.equal(notifications.unread, 4);
  tell("welcome");
  await pass(1_000);
  await api.answer(2, 5);
  assert.equal(notifications.unread, 5);
});

test("what is done here is looked at once it is done", async () => {
  const done = notifications.read([5]);
  await pass(1_000);
  assert.deepEqual(api.asked.map(({ method, path, body }) => [method, path, body]), [["POST", "/v1/me/notifications/read", { ids: [5] }]]);
  api.asked[0].answer(null);
  await done;
  await pass(1_000);
  assert.equal(api.asked[1].path, "/v1/me/notifications/unread");
});
