/** A part of the page that could not be loaded: it says so in its own place, and offers to try again. */

import { element } from "./dom.js";

/**
 * @param {Element} box whose content gives way
 * @param {Error} error
 * @param {() => void} again
 */
export function showTrouble(box, error, again) {
  const button = element("button", { class: "button button--small", type: "button", text: "Try again", on: { click: again } });
  box.replaceChildren(element("p", { class: "empty", text: error.message }), button);
}

/** Loads one part: of several looks, only the latest is shown. */
export class Look {
  #turn = 0;

  /**
   * @template T
   * @param {Element} box
   * @param {() => Promise<T>} load
   * @param {(found: T) => void} show
   * @returns {Promise<Error | null>} why what was shown before is still shown, if it is
   */
  async at(box, load, show) {
    const turn = ++this.#turn;
    let found;
    try {
      found = await load();
    } catch (error) {
      if (turn !== this.#turn) return null;
      if (box.hasAttribute("data-loaded")) return error;
      showTrouble(box, error, () => this.at(box, load, show));
      return null;
    }
    if (turn === this.#turn) {
      box.setAttribute("data-loaded", "");
      show(found);
    }
    return null;
  }
}
