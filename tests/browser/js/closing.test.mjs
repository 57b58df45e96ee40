import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";

import { ScriptedSocket, goLive, makeClient, pass, standStill } from "./script.mjs";

const STABLE_MS = 10_000;
const bye = (code, retryAfterMs = 0, reconnect = true) => ({ type: "bye", code, reason: "because", reconnect, retry_after_ms: retryAfterMs });

beforeEach(() => {
  standStill();
  ScriptedSocket.reset();
});
afterEach(() => mock.timers.reset());

describe("after a connection that held", () => {
  const wayOut = {
    4000: "stop", 4001: "stop", 4003: "stop", 4006: "stop", 4007: "stop", 1002: "stop", 1003: "stop", 1007: "stop",
    4100: "backoff", 4101: "backoff", 4102: "backoff", 4103: "backoff", 4104: "backoff",
    1000: "backoff", 1001: "backoff", 1006: "backoff", 1009: "backoff", 1011: "backoff", 1012: "backoff", 4999: "backoff",
    4200: "at once", 4201: "at once", 4300: "new token", 4301: "new token",
  };
  for (const [code, way] of Object.entries(wayOut)) {
    for (const how of ["bye", "close"]) {
      test(`${how} ${code}: ${way}`, async () => {
        const { client, told } = makeClient();
        const socket = await goLive(client);
        await pass(STABLE_MS);
        if (how === "bye") socket.say(bye(Number(code)));
        else socket.drop(Number(code), "because");
        if (way === "stop") {
          assert.deepEqual(client.state, { name: "stopped", code: Number(code), reason: "because" });
          await pass(60_000);
          assert.equal(ScriptedSocket.all.length, 1);
          return;
        }
        await pass(0);
        assert.equal(ScriptedSocket.all.length, way === "backoff" ? 1 : 2);
        await pass(500);
        assert.equal(ScriptedSocket.all.length, 2);
        assert.deepEqual(told.tokens.at(-1), { isFresh: way === "new token" });
      });
    }
  }
});

test("a bye counts, whatever close code follows it", async () => {
  const { client } = makeClient();
  const socket = await goLive(client);
  await pass(STABLE_MS);
  socket.say(bye(4200, 700));
  socket.drop(4000);
  assert.equal(client.state.name, "waiting");
  await pass(699);
  assert.equal(ScriptedSocket.all.length, 1);
  await pass(1);
  assert.equal(ScriptedSocket.all.length, 2);
});

test("a bye that asks not to come back is obeyed, whatever its code", async () => {
  const { client } = makeClient();
  const socket = await goLive(client);
  socket.say(bye(4999, 0, false));
  assert.equal(client.state.name, "stopped");
});

test("who stopped can be started again", async () => {
  const { client } = makeClient();
  const socket = await goLive(client);
  socket.say(bye(4006));
  await goLive(client);
  assert.equal(client.state.name, "live");
  assert.equal(ScriptedSocket.all.length, 2);
});

test("a hub that keeps saying 'resume' is not stormed", async () => {
  const { client } = makeClient();
  let socket = await goLive(client);
  await pass(STABLE_MS);
  socket.say(bye(4200));
  await pass(0);
  for (const wait of [500, 1000, 2000]) {
    ScriptedSocket.last.welcome({ resumed: true });
    const before = ScriptedSocket.all.length;
    ScriptedSocket.last.say(bye(4200));
    await pass(wait - 1);
    assert.equal(ScriptedSocket.all.length, before);
    await pass(1);
    assert.equal(ScriptedSocket.all.length, before + 1);
  }
});

test("the backoff starts over only after ten seconds of stable connection", async () => {
  const { client } = makeClient();
  const waits = [];
  await goLive(client);
  for (const livesFor of [9_999, 9_999, 10_000, 0]) {
    await pass(livesFor);
    ScriptedSocket.last.drop();
    waits.push(client.state.retryAt - Date.now());
    await pass(waits.at(-1));
    ScriptedSocket.last.welcome({ resumed: true });
  }
  assert.deepEqual(waits, [500, 1000, 500, 1000]);
});

test("a token that is refused again and again is not asked for in a storm", async () => {
  const { client, told } = makeClient();
  client.start();
  for (const wait of [500, 1000, 2000]) {
    await pass(0);
    ScriptedSocket.last.open();
    ScriptedSocket.last.say(bye(4301));
    assert.equal(client.state.retryAt - Date.now(), wait);
    await pass(wait);
  }
  assert.deepEqual(told.tokens, [{ isFresh: false }, { isFresh: true }, { isFresh: true }, { isFresh: true }]);
});
