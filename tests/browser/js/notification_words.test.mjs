/** What notifications say and where they lead. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { targetOf, targetOfPush, wordsOf } from "../../../hub/web/notification_words.js";
import { dayAndTime } from "../../../hub/web/times.js";
import { browserName, bytesOf } from "../../../hub/web/web_push.js";

const ANA = { id: "ana", name: "Ana" };
const AT = "2026-01-01T00:00:00.000Z";

/** Of each kind: the event, what is told of it, and where it leads. */
const EVENTS = [
  ["hug.received", { id: "h1", from: ANA, kind: "bear", message: "hello" }, "Ana gave you a big bear hug|hello", { part: "received", ids: ["h1"] }],
  ["hug.felt", { id: "h1", from: ANA, emoji: "🤗" }, "Ana felt your hug: 🤗|", { part: "sent", ids: ["h1"] }],
  ["hug.mutual", { id: "m1", user: ANA, hugs: ["h1", "h2"], starts_at: AT }, "Ana and you hugged each other|", { part: "received", ids: ["h1", "h2"] }],
  ["request.received", { id: "r1", from: ANA, message: "Monday" }, "Ana asks for a hug|Monday", { part: "asks", ids: ["r1"] }],
  ["request.answered", { id: "r1", from: ANA, hug: "h1", hugs: 1, state: "fulfilled" }, "Ana gave you the hug you asked for|", { part: "received", ids: ["h1"] }],
  ["group.invited", { id: "g1", from: ANA, name: "Friday" }, "Ana invites you to “Friday”|", { part: "rooms", ids: ["g1"] }],
  ["group.started", { id: "g1", name: "Friday", count: 2 }, "“Friday” has begun|", { part: "rooms", ids: ["g1"] }],
  ["group.completed", { id: "g1", name: "Friday", count: 3 }, "“Friday” came to a good end|3 people hugged", { part: "rooms", ids: ["g1"] }],
  ["group.cancelled", { id: "g1", name: "Friday", state: "expired" }, "The time for “Friday” is over|", { part: "rooms", ids: ["g1"] }],
  ["friend.requested", { from: ANA }, "Ana wants to be friends|", { part: "requests", ids: ["ana"] }],
  ["friend.accepted", { user: ANA }, "Ana and you are friends now|", { part: "friends", ids: ["ana"] }],
  ["streak.milestone", { days: 7 }, "7 days with a mood in a row|", { part: "moods", ids: [] }],
  ["account.notice", { about: "password_changed" }, "Your password was changed|", { part: "settings", ids: [] }],
  ["notification", { about: "notice", title: "New kinds", body: "Look" }, "New kinds|Look", null],
  ["notification", { about: "streak.at_risk", data: { days: "12" } }, "12 days in a row end tonight, unless you log a mood|", { part: "moods", ids: [] }],
  ["notification", { about: "group.starting", data: { group: "g1", starts_at: AT } }, `A group hug begins soon|Begins ${dayAndTime(AT)}`, { part: "rooms", ids: ["g1"] }],
  ["notification", { about: "request.expiring", data: { request: "r1", ends_at: AT } }, `Somebody still waits for your hug|Until ${dayAndTime(AT)}`, { part: "asks", ids: ["r1"] }],
];

for (const [kind, event, words, target] of EVENTS) {
  test(`${kind} ${event.about ?? ""}`, () => {
    const { who, text, saying = "" } = wordsOf({ kind, event });
    assert.equal(`${who === null ? "" : `${who.name} `}${text}|${saying}`, words);
    assert.deepEqual(targetOf({ kind, event }), target);
  });
}

test("what a newer hub tells has words, and leads nowhere", () => {
  const { text } = wordsOf({ kind: "planet.hugged", event: {} });
  assert.notEqual(text, "");
  assert.equal(targetOf({ kind: "planet.hugged", event: {} }), null);
  assert.notEqual(wordsOf({ kind: "notification", event: { about: "constructor" } }).text, "");
});

test("a push leads to what it names, or to where that would be", () => {
  assert.deepEqual(targetOfPush({ kind: "hug.received", id: "h1" }), { part: "received", ids: ["h1"] });
  assert.deepEqual(targetOfPush({ kind: "hug.received" }), { part: "received", ids: [] });
  assert.deepEqual(targetOfPush({ kind: "request.answered", id: "r1", hug: "h1" }), { part: "received", ids: ["h1"] });
  assert.deepEqual(targetOfPush({ kind: "friend.requested" }), { part: "requests", ids: [] });
  assert.deepEqual(targetOfPush({ kind: "group.starting", id: "n1", group: "g1" }), { part: "rooms", ids: ["g1"] });
  assert.equal(targetOfPush({ kind: "notice", id: "n1" }), null);
  assert.equal(targetOfPush({}), null);
});

test("a browser is called by its name, not by what it pretends to be", () => {
  const as = (tail) => `Mozilla/5.0 (${tail}`;
  assert.equal(browserName(as("X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36")), "Chrome on Linux");
  assert.equal(browserName(as("Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0")), "Edge on Windows");
  assert.equal(browserName(as("Android 14; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0")), "Firefox on Android");
  assert.equal(browserName(as("iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1")), "Safari on iPhone");
  assert.equal(browserName("curl"), "A browser on a computer");
});

test("a VAPID key is read as the bytes it stands for", () => {
  const bytes = Uint8Array.from({ length: 65 }, (_, index) => (index * 37 + 251) % 256);
  assert.deepEqual(bytesOf(Buffer.from(bytes).toString("base64url")), bytes);
});
