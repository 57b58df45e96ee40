/**
 * Telling the hub which hugs a person has read: those that were on a visible page long enough to be read.
 */

const DWELL_MS = 900;
const IDS_MAX = 100;

export class SeenWatch {
  #onseen;
  /** @type {Set<string>} */
  #inView = new Set();
  #timer;
  #observer;

  /** @param {(ids: string[]) => void} onseen */
  constructor(onseen) {
    this.#onseen = onseen;
    this.#observer = new IntersectionObserver((entries) => this.#moved(entries), { threshold: 0.6 });
    document.addEventListener("visibilitychange", () => this.#lookSoon());
  }

  /** Watch the card of an unread hug; its `data-hug` is the hug's id. */
  watch(card) {
    this.#observer.observe(card);
  }

  /** These are read, wherever they were shown. */
  read(ids) {
    if (ids.length > 0) this.#onseen(ids);
  }

  #moved(entries) {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) this.#inView.add(target.dataset.hug);
      else this.#inView.delete(target.dataset.hug);
    }
    this.#lookSoon();
  }

  #lookSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), DWELL_MS);
  }

  #look() {
    if (document.visibilityState !== "visible" || this.#inView.size === 0) return;
    const ids = [...this.#inView].slice(0, IDS_MAX);
    for (const id of ids) {
      this.#inView.delete(id);
      const card = document.querySelector(`[data-hug="${CSS.escape(id)}"]`);
      if (card !== null) this.#observer.unobserve(card);
    }
    this.#onseen(ids);
    if (this.#inView.size > 0) this.#lookSoon();
  }
}
