/** The people of a room, standing in a circle that breathes, and how it feels when they squeeze. */

import { avatar, byId, element, showList } from "./dom.js";

/** Beyond it, faces would be too small to know anybody: the others are a number. */
const FACES_MAX = 24;
const WAVE_MS = 900;
const WAVES_MAX = 6;

export class Circle {
  #box = byId("circle");
  #faces = byId("circle-faces");
  #count = byId("circle-count");
  #timer;

  /** @param {{id: string, name: string}[]} people @param {number} count of all, named or not */
  show(people, count, selfId, hostId) {
    const faces = [...people].sort((a, b) => (a.id === selfId ? -1 : b.id === selfId ? 1 : 0)).slice(0, FACES_MAX);
    showList(this.#faces, faces, {
      key: ({ id }) => id,
      make: (person) => element("li", { class: "face" }, avatar(person), element("span", { class: "face__name" })),
      update: (node, person) => {
        const at = faces.indexOf(person);
        const turn = (at / faces.length) * 2 * Math.PI + Math.PI / 2; // oneself in front
        node.style.setProperty("--x", Math.cos(turn).toFixed(4));
        node.style.setProperty("--y", Math.sin(turn).toFixed(4));
        node.classList.toggle("face--behind", Math.sin(turn) < -0.3);
        node.querySelector(".face__name").textContent = person.id === selfId ? "You" : person.name;
        node.classList.toggle("face--host", person.id === hostId);
      },
    });
    this.#box.dataset.size = faces.length > 14 ? "many" : faces.length > 7 ? "some" : "few";
    const more = Math.max(0, count - faces.length);
    this.#count.textContent = more > 0 ? `and ${more} more` : "";
  }

  /** Everybody in the circle is squeezed: *count* times, with the mean *strength* of 0 to 1. */
  pulse(count, strength) {
    this.#box.style.setProperty("--pulse", strength.toFixed(2));
    this.#box.classList.add("circle--squeezed");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#box.classList.remove("circle--squeezed"), 350);
    const waves = byId("circle-waves");
    if (waves.children.length >= WAVES_MAX) return;
    const wave = element("span", { class: "wave" });
    wave.style.setProperty("--reach", (1.15 + strength * 0.5).toFixed(2));
    wave.style.setProperty("--weight", `${Math.min(3 + count, 10)}px`);
    waves.append(wave);
    setTimeout(() => wave.remove(), WAVE_MS);
  }
}
