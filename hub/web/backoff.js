/**
 * How long to wait before the next try: full jitter under a ceiling that doubles.
 *
 * Full jitter, because all clients of a hub that died come back at the same moment otherwise.
 */

export const CEILING_FIRST_MS = 500;
export const CEILING_LAST_MS = 20_000;

export class Backoff {
  #tries = 0;
  #random;

  /** @param {() => number} random uniform in [0, 1) */
  constructor(random = Math.random) {
    this.#random = random;
  }

  /**
   * The wait before the next try, in ms.
   * @param {number} notBeforeMs what the server asked for; never less than this
   */
  next(notBeforeMs = 0) {
    const ceiling = Math.min(CEILING_LAST_MS, CEILING_FIRST_MS * 2 ** this.#tries);
    // Ten doublings are far past the ceiling; counting on would only overflow one day.
    this.#tries = Math.min(this.#tries + 1, 10);
    return Math.max(notBeforeMs, this.#random() * ceiling);
  }

  /** The last try has proved good: start over. */
  reset() {
    this.#tries = 0;
  }
}
