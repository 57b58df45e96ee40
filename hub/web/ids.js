/**
 * Ids that a client makes: UUIDv7 (RFC 9562, section 5.7).
 *
 * Invariant: ids of one page go up in the order they were made, also within one millisecond and when the
 * clock is set back (section 6.2, method 1: a counter in the 12 bits behind the time).
 */

const COUNTER_MAX = 0xfff;
/** Counting begins in the lower half, so that there is room to count. */
const COUNTER_FIRST_MAX = 0x7ff;

let lastMs = 0;
let counter = 0;

/**
 * @param {number} nowMs Unix time
 * @returns {string} canonical lower-case text
 */
export function uuid7(nowMs = Date.now()) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  if (nowMs > lastMs) {
    lastMs = nowMs;
    counter = ((bytes[6] << 8) | bytes[7]) & COUNTER_FIRST_MAX;
  } else if (counter < COUNTER_MAX) {
    counter += 1;
  } else {
    lastMs += 1; // borrowed from the next millisecond
    counter = 0;
  }
  let time = lastMs;
  for (let index = 5; index >= 0; index -= 1) {
    bytes[index] = time % 256;
    time = Math.floor(time / 256);
  }
  bytes[6] = 0x70 | (counter >> 8);
  bytes[7] = counter & 0xff;
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
