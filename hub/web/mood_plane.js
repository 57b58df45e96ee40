/**
 * Choosing a mood in two taps: a place on the plane of valence and arousal, then one of the words near it. The
 * same words stand in a list, for the keyboard and for who hears the page.
 */

import { byId, element } from "./dom.js";
import { byQuarter, capitalised, loadWords, nearest } from "./mood_words.js";
import { showTrouble } from "./trouble.js";

const NEAR = 6;
const GAP_PX = 3;
const EDGES = [
  ["top", "much energy"],
  ["bottom", "little energy"],
];

/**
 * @typedef {{valence: number, arousal: number}} Place
 */

export class MoodPlane {
  #plane = byId("plane");
  #near = byId("near");
  #onlog;
  /** @type {import("./mood_words.js").MoodWord[]} */
  #words = [];
  #labels = [];
  #mark = element("span", { class: "plane__mark", hidden: true });

  /** @param {(mood: string, place: Place | null) => boolean} onlog whether it is on its way */
  constructor(onlog) {
    this.#onlog = onlog;
    this.#plane.append(...EDGES.map(([side, text]) => element("span", { class: `plane__edge plane__edge--${side}`, text })), this.#mark);
    this.#plane.addEventListener("click", (event) => this.#choose(event));
    new ResizeObserver(() => this.#arrange()).observe(this.#plane);
  }

  /** Get the words, unless they are here. */
  async load() {
    if (this.#words.length > 0) return;
    try {
      this.#words = await loadWords();
    } catch (error) {
      showTrouble(byId("words"), error, () => this.load());
      byId("all-words").open = true;
      return;
    }
    this.#labels = this.#words.map(({ mood }) => element("span", { class: "plane__word", text: mood }));
    this.#plane.append(...this.#labels);
    this.#arrange();
    byId("words").replaceChildren(...byQuarter(this.#words).flatMap(([title, words], index) => this.#quarter(`quarter-${index}`, title, words)));
  }

  #quarter(id, title, words) {
    const heading = element("h3", { id, text: title });
    const buttons = words.map(({ mood }) => this.#button(mood, null));
    return [heading, element("div", { class: "words", role: "group", "aria-labelledby": id }, ...buttons)];
  }

  #button(mood, place) {
    const click = () => {
      if (this.#onlog(mood, place)) this.#forget();
    };
    return element("button", { class: "button button--word", type: "button", text: capitalised(mood), on: { click } });
  }

  #choose({ clientX, clientY }) {
    const { left, top, width, height } = this.#plane.getBoundingClientRect();
    const part = (share) => Math.round(Math.min(1, Math.max(-1, share * 2 - 1)) * 100) / 100;
    const place = { valence: part((clientX - left) / width), arousal: -part((clientY - top) / height) };
    this.#mark.hidden = false;
    this.#mark.style.left = percent(place.valence);
    this.#mark.style.top = percent(-place.arousal);
    const words = nearest(this.#words, place.valence, place.arousal, NEAR);
    this.#near.replaceChildren(...words.map(({ mood }) => this.#button(mood, place)));
    this.#near.scrollIntoView({ block: "nearest" });
  }

  #forget() {
    if (this.#near.contains(document.activeElement)) byId("log-heading").focus({ preventScroll: true });
    this.#mark.hidden = true;
    this.#near.replaceChildren();
  }

  /** Each word at its place or close by; where others stand already, it is only in the list. */
  #arrange() {
    const { clientWidth: width, clientHeight: height } = this.#plane;
    if (width === 0) return;
    const taken = [...this.#plane.querySelectorAll(".plane__edge")].map((edge) => boxAt(edge.offsetLeft, edge.offsetTop, edge.offsetWidth, edge.offsetHeight, width, height));
    this.#labels.forEach((label, index) => {
      const { valence, arousal } = this.#words[index];
      const [wide, high] = [label.offsetWidth, label.offsetHeight];
      const [x, y] = [((valence + 1) / 2) * width - wide / 2, ((1 - arousal) / 2) * height - high / 2];
      const spots = [[0, 0], [0, -0.7], [0, 0.7], [-0.3, 0], [0.3, 0], [0, -1.2], [0, 1.2]].map(([right, down]) => boxAt(x + right * wide, y + down * high, wide, high, width, height));
      const free = spots.find((spot) => !taken.some((other) => overlaps(spot, other)));
      label.classList.toggle("plane__word--crowded", free === undefined);
      if (free === undefined) return;
      taken.push(free);
      label.style.left = `${free.left}px`;
      label.style.top = `${free.top}px`;
    });
  }
}

function boxAt(x, y, wide, high, width, height) {
  const left = Math.min(Math.max(x, GAP_PX), width - wide - GAP_PX);
  const top = Math.min(Math.max(y, GAP_PX), height - high - GAP_PX);
  return { left, top, right: left + wide, bottom: top + high };
}

function overlaps(one, two) {
  return one.left < two.right + GAP_PX && two.left < one.right + GAP_PX && one.top < two.bottom && two.top < one.bottom;
}

/** −1 to 1 as 0 to 100 %. */
function percent(part) {
  return `${((part + 1) / 2) * 100}%`;
}
