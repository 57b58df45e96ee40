/** The service worker, run in a world of its own whose clients and subscriptions are the test's. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { MessageChannel } from "node:worker_threads";
import { runInNewContext } from "node:vm";

const SOURCE = readFileSync(new URL("../../../hub/web/push_worker.js", import.meta.url), "utf8");

/** A page that says whose it is, or is frozen and says nothing. */
function page(isOwner) {
  return {
    heard: [],
    isFocused: false,
    postMessage(message, [port] = []) {
      this.heard.push(message);
      if (message.type === "push.whose" && isOwner !== null) port.postMessage(isOwner);
    },
    async focus() {
      this.isFocused = true;
    },
  };
}

function start({ pages = [] } = {}) {
  const world = { listeners: new Map(), shown: [], opened: [], subscribed: [], badges: [] };
  const self = {
    addEventListener: (name, listener) => world.listeners.set(name, listener),
    registration: {
      showNotification: async (title, options) => world.shown.push({ title, ...options }),
      pushManager: { subscribe: async (options) => world.subscribed.push(options) },
    },
    clients: { matchAll: async () => pages, openWindow: async (url) => world.opened.push(url) },
    navigator: { setAppBadge: async (count) => world.badges.push(count) },
  };
  runInNewContext(SOURCE, { self, MessageChannel, setTimeout, clearTimeout });
  /** Have it handle an event to its end. */
  world.tell = async (name, event) => {
    let work;
    world.listeners.get(name)({ ...event, waitUntil: (promise) => (work = promise) });
    await work;
  };
  return world;
}

const push = (told) => ({ data: { json: () => JSON.parse(JSON.stringify(told)) } });
const plain = (value) => JSON.parse(JSON.stringify(value));

test("a push is shown as it says", async () => {
  const world = start();
  await world.tell("push", push({ title: "Ana hugged you", body: "a bear hug", tag: "hugs", badge: 4, data: { kind: "hug.received", delivery: "d" } }));
  assert.deepEqual(plain(world.shown), [
    { title: "Ana hugged you", body: "a bear hug", dir: "auto", data: { kind: "hug.received", delivery: "d" }, tag: "hugs", renotify: true },
  ]);
  assert.deepEqual(world.badges, [4]);
});

test("whatever cannot be read is shown nevertheless, as browsers want it", async () => {
  const unreadable = { data: { json: () => JSON.parse("not JSON") } };
  for (const event of [{ data: null }, unreadable, push(null), push("text"), push({ title: "" })]) {
    const world = start();
    await world.tell("push", event);
    assert.equal(world.shown.length, 1);
    assert.equal(world.shown[0].title, "HugMood");
    assert.ok(!("renotify" in world.shown[0]), "without a tag a browser refuses it");
  }
});

async function click(world, data) {
  let isClosed = false;
  await world.tell("notificationclick", { notification: { data, close: () => (isClosed = true) } });
  assert.ok(isClosed);
}

test("a click goes to the page of whom it is for, not to that of somebody else", async () => {
  const [other, owner] = [page(false), page(true)];
  const world = start({ pages: [other, owner] });
  await click(world, { kind: "hug.received", delivery: "d" });
  assert.deepEqual(plain(owner.heard.at(-1)), { type: "push.opened", data: { kind: "hug.received", delivery: "d" } });
  assert.ok(owner.isFocused);
  assert.ok(!other.isFocused);
  assert.deepEqual(other.heard.map(({ type }) => type), ["push.whose"]);
  assert.deepEqual(world.opened, []);
});

test("without such a page a new one is opened, which learns what it is about", async () => {
  const data = { kind: "group.invited", group: "g", delivery: "d" };
  for (const pages of [[], [page(false)], [page(null)]]) {
    const world = start({ pages });
    await click(world, data);
    assert.equal(world.opened.length, 1);
    const [, said] = /^\/#push=(.+)$/.exec(world.opened[0]);
    assert.deepEqual(JSON.parse(decodeURIComponent(said)), data);
  }
});

test("a subscription that has ended is made anew with the same key, and the pages are told", async () => {
  const open = page(true);
  const world = start({ pages: [open] });
  await world.tell("pushsubscriptionchange", { oldSubscription: { options: { applicationServerKey: "k" } }, newSubscription: null });
  assert.deepEqual(world.subscribed, [{ applicationServerKey: "k" }]);
  await world.tell("pushsubscriptionchange", { oldSubscription: null, newSubscription: {} });
  assert.equal(world.subscribed.length, 1);
  assert.deepEqual(open.heard.map(({ type }) => type), ["push.changed", "push.changed"]);
});
