import assert from "node:assert/strict";
import { test } from "node:test";

import { uuid7 } from "../../../hub/web/ids.js";

const LATER_MS = 0x017f22e279b0; // the example of RFC 9562, appendix A.6

test("ids go up in the order they were made, within one millisecond and when the clock is set back", () => {
  const made = Array.from({ length: 10_000 }, () => uuid7(1_000));
  made.push(uuid7(500));
  assert.deepEqual(made, [...made].sort());
  assert.equal(new Set(made).size, made.length);
});

test("the shape, version and variant of RFC 9562", () => {
  for (let made = 0; made < 100; made += 1) {
    assert.match(uuid7(), /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
});

test("the first 48 bits are the time", async () => {
  const fresh = await import("../../../hub/web/ids.js?fresh");
  assert.equal(fresh.uuid7(LATER_MS).slice(0, 15), "017f22e2-79b0-7");
});
