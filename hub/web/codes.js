/**
 * What a client does after a close: the bands of the protocol's close codes.
 *
 * The same table as protocol/codes.py, `reconnects`.
 */

export const Reconnect = Object.freeze({
  STOP: "stop",
  BACKOFF: "backoff",
  RESUME: "resume",
  NEW_TOKEN: "new_token",
});

/** Close codes that this client itself ends a connection with; the hub never sees them. */
export const LOST = 1006;
export const NO_PONG = 4201;

const BROKEN_CLIENT = new Set([1002, 1003, 1007]);
const BANDS = new Map([
  [40, Reconnect.STOP],
  [41, Reconnect.BACKOFF],
  [42, Reconnect.RESUME],
  [43, Reconnect.NEW_TOKEN],
]);

/**
 * What a client does after close *code*; an unknown code means backoff and come back.
 * @param {number} code
 * @returns {string} one of `Reconnect`
 */
export function reconnects(code) {
  if (BROKEN_CLIENT.has(code)) return Reconnect.STOP;
  return BANDS.get(Math.floor(code / 100)) ?? Reconnect.BACKOFF;
}
