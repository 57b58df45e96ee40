import assert from "node:assert/strict";
import { test } from "node:test";

import { Backoff, CEILING_FIRST_MS, CEILING_LAST_MS } from "../../../hub/web/backoff.js";

test("the ceiling doubles from half a second to twenty", () => {
  const backoff = new Backoff(() => 1);
  const waits = Array.from({ length: 9 }, () => backoff.next());
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000, 20_000]);
  assert.equal(waits[0], CEILING_FIRST_MS);
  assert.equal(waits.at(-1), CEILING_LAST_MS);
});

test("the jitter is full: anything from nothing to the ceiling", () => {
  assert.equal(new Backoff(() => 0).next(), 0);
  assert.equal(new Backoff(() => 0.5).next(), 250);
});

test("never before what the server asked for", () => {
  const backoff = new Backoff(() => 0);
  assert.equal(backoff.next(3000), 3000);
  assert.equal(new Backoff(() => 1).next(100), 500);
});

test("after a reset it starts over", () => {
  const backoff = new Backoff(() => 1);
  backoff.next();
  backoff.next();
  backoff.reset();
  assert.equal(backoff.next(), 500);
});

test("ten thousand tries later it is still a number", () => {
  const backoff = new Backoff(() => 1);
  for (let tries = 0; tries < 10_000; tries += 1) backoff.next();
  assert.equal(backoff.next(), CEILING_LAST_MS);
});
