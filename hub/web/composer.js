/** Writing a hug: its kind and a few words. */

import { byId, element, icon, openDialog } from "./dom.js";
import { CHOICES, iconOf } from "./kinds.js";

const MESSAGE_MAX = 280;
const TELL_BELOW = 40;
const PREPARING_EVERY_MS = 1_000;
const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** What a person counts as characters, as the hub counts them. */
export function countGraphemes(text) {
  let count = 0;
  for (const _ of graphemes.segment(text)) count += 1;
  return count;
}

export class Composer {
  #dialog = byId("composer");
  #message = byId("composer-message");
  #problem = byId("composer-problem");
  #friend = null;
  #request = null;
  #onprepare;
  #preparedAt = 0;

  /**
   * @param {(hug: {to: {id: string, name: string}, kind: string, message: string, request: string | null}) => void} onsend
   * @param {(to: string) => void} onprepare at most once a second while a hug is being written
   */
  constructor(onsend, onprepare) {
    this.#onprepare = onprepare;
    byId("kinds").replaceChildren(...CHOICES.map(([kind, label], index) => choice(kind, label, index === 1)));
    byId("composer-form").addEventListener("input", () => this.#prepare());
    this.#message.oninput = () => this.#count();
    this.#message.onkeydown = (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("composer-form").requestSubmit();
    };
    byId("composer-form").onsubmit = (event) => {
      event.preventDefault();
      this.#send(onsend);
    };
  }

  /** *request*: the id of the request that this hug answers, if any. */
  open(friend, request = null) {
    // What was begun for one friend must not go to another.
    if (friend.id !== this.#friend?.id) this.#message.value = "";
    this.#friend = friend;
    this.#request = request;
    byId("composer-heading").textContent = `A hug for ${friend.name}`;
    this.#problem.textContent = "";
    this.#count();
    openDialog(this.#dialog);
    this.#prepare();
    byId("kinds").querySelector("input:checked").focus();
  }

  #prepare() {
    const now = performance.now();
    if (now - this.#preparedAt < PREPARING_EVERY_MS) return;
    this.#preparedAt = now;
    this.#onprepare(this.#friend.id);
  }

  #count() {
    const left = MESSAGE_MAX - countGraphemes(this.#message.value);
    const text = left < 0 ? `${-left} characters too many` : `${left} characters left`;
    byId("composer-count").textContent = left < TELL_BELOW ? text : "";
    if (left >= 0) this.#problem.textContent = "";
    return left;
  }

  #send(onsend) {
    if (this.#count() < 0) {
      this.#problem.textContent = `A message has at most ${MESSAGE_MAX} characters.`;
      this.#message.focus();
      return;
    }
    const kind = byId("kinds").querySelector("input:checked").value;
    const message = this.#message.value.trim();
    this.#message.value = "";
    this.#dialog.close();
    onsend({ to: this.#friend, kind, message, request: this.#request });
  }
}

function choice(kind, label, isChecked) {
  return element(
    "label",
    { class: "kind" },
    element("input", { type: "radio", name: "kind", value: kind, checked: isChecked }),
    element("span", { class: "kind__face" }, icon(iconOf(kind)), element("span", { text: label })),
  );
}
