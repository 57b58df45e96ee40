import assert from "node:assert/strict";
import { test } from "node:test";

import { uuid7 } from "../../../hub/web/ids.js";

test("the shape, version and variant of RFC 9562", () => {
  for (let made = 0; made < 100; made += 1) {
    assert.match(uuid7(), /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
});

test("the first 48 bits are the time: the example of RFC 9562, appendix A.6", () => {
  assert.equal(uuid7(0x017f22e279b0).slice(0, 15), "017f22e2-79b0-7");
});

test("no two are alike", () => {
  assert.equal(new Set(Array.from({ length: 1000 }, () => uuid7(1))).size, 1000);
});
