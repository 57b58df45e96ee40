/** Things that change often, for views that need not look each time. */

const TOGETHER_MS = 16;

/** Dispatches `change` once for all changes of a moment: a burst of a thousand events is drawn a few times. */
export class Changing extends EventTarget {
  #timer;

  /** Something has changed. */
  changed() {
    // A timer, not an animation frame: a page in the background has a title to keep true.
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.dispatchEvent(new Event("change"));
    }, TOGETHER_MS);
  }
}
