/** What a page knows of a room only gets newer, in whichever order it hears of it. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Groups } from "../../../hub/web/groups.js";

const ANA = { id: "ana", name: "Ana" };
const ZOE = { id: "zoe", name: "Zoë" };
const MO = { id: "mo", name: "Mo" };

function room(version, members, fields = {}) {
  return { id: "room", name: "Friday", state: "active", version, host: ANA, count: members.length, members, membership: "joined", ...fields };
}

function moved(version, user, count, fields = {}) {
  return { id: "room", user, count, state: "active", host: "ana", version, ...fields };
}

function names(groups) {
  return groups.peopleIn("room").map(({ name }) => name).sort();
}

test("events of three people in any order end the same", () => {
  const events = [
    (groups) => groups.came(moved(3, ZOE, 2)),
    (groups) => groups.came(moved(4, MO, 3)),
    (groups) => groups.went(moved(5, ZOE, 2)),
  ];
  for (const order of [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1], [2, 0, 1], [1, 0, 2]]) {
    const groups = new Groups(null, ANA);
    groups.put(room(2, [ANA]));
    for (const index of order) events[index](groups);
    assert.deepEqual(names(groups), ["Ana", "Mo"], `in the order ${order}`);
    assert.equal(groups.get("room").count, 2);
    assert.equal(groups.get("room").version, 5);
  }
});

test("an answer that is older than what was heard changes nothing", () => {
  const groups = new Groups(null, ANA);
  groups.put(room(2, [ANA]));
  groups.came(moved(4, ZOE, 2));
  groups.put(room(3, [ANA], { state: "gathering" }));
  assert.deepEqual(names(groups), ["Ana", "Zoë"]);
  assert.equal(groups.get("room").state, "active");
});

test("a newer answer puts right what was missed", () => {
  const groups = new Groups(null, ANA);
  groups.put(room(2, [ANA, ZOE]));
  groups.put(room(7, [ANA, MO], { host: MO }));
  assert.deepEqual(names(groups), ["Ana", "Mo"]);
  assert.equal(groups.get("room").host.id, "mo");
});

test("a line of the list names nobody, and empties no room", () => {
  const groups = new Groups(null, ANA);
  groups.put(room(2, [ANA, ZOE]));
  groups.put(room(2, []));
  assert.deepEqual(names(groups), ["Ana", "Zoë"]);
});

test("pulses tell how many are there, and of a change of host", () => {
  const groups = new Groups(null, ANA);
  groups.put(room(2, [ANA, ZOE]));
  let felt = 0;
  groups.addEventListener("pulse", ({ detail }) => (felt += detail.count));
  groups.pulsed({ id: "room", count: 12, strength: 0.5, members: 80, host: "zoe", version: 60 });
  groups.pulsed({ id: "elsewhere", count: 5, strength: 0.5, members: 3 });
  assert.equal(felt, 12);
  assert.equal(groups.get("room").count, 80);
  assert.deepEqual(groups.get("room").host, ZOE);
});
