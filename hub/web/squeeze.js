/**
 * The squeeze: press and hold, with a finger, the mouse, Space or Enter. The longer, the stronger.
 *
 * Each squeeze is told at once and again while it grows, so that people who hold together are felt together.
 */

const EVERY_MS = 200;
const FULL_AFTER_MS = 1_600;
const LIGHTEST = 0.25;
const KEYS = new Set([" ", "Enter"]);

export class Squeeze {
  #button;
  #onsqueeze;
  #since = null;
  #timer;

  /**
   * @param {HTMLElement} button
   * @param {(strength: number) => void} onsqueeze 0 to 1, several times while held
   */
  constructor(button, onsqueeze) {
    this.#button = button;
    this.#onsqueeze = onsqueeze;
    button.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      button.setPointerCapture(event.pointerId);
      this.#begin();
    });
    for (const name of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) button.addEventListener(name, () => this.end());
    button.addEventListener("keydown", (event) => {
      if (!KEYS.has(event.key)) return;
      event.preventDefault(); // neither a click nor scrolling
      if (!event.repeat) this.#begin();
    });
    button.addEventListener("keyup", (event) => {
      if (KEYS.has(event.key)) this.end();
    });
    button.addEventListener("contextmenu", (event) => event.preventDefault()); // what a long press means on a phone
    // A click without a press before it: how screen readers and voice control squeeze.
    button.addEventListener("click", (event) => {
      if (event.detail === 0 && this.#since === null) this.#onsqueeze(0.5);
    });
  }

  /** Let go. */
  end() {
    if (this.#since === null) return;
    this.#since = null;
    clearInterval(this.#timer);
    this.#show(0);
  }

  #begin() {
    if (this.#since !== null || this.#button.ariaDisabled === "true") return;
    this.#since = performance.now();
    this.#timer = setInterval(() => this.#hold(), EVERY_MS);
    this.#hold();
  }

  #hold() {
    const held = Math.min(1, (performance.now() - this.#since) / FULL_AFTER_MS);
    const strength = LIGHTEST + (1 - LIGHTEST) * held;
    this.#show(strength);
    this.#onsqueeze(strength);
  }

  #show(strength) {
    this.#button.style.setProperty("--strength", strength.toFixed(2));
    this.#button.classList.toggle("squeeze--held", strength > 0);
  }
}
