/** Being told also while the page is closed: the button for it, or why there is none. */

import { element } from "./dom.js";

const WORDS = new Map([
  ["insecure", "Push needs a page that came over https. Here you are told while the page is open."],
  ["unavailable", "This browser offers no push. Here you are told while the page is open."],
  ["denied", "Notifications of this page are blocked in this browser. Allow them in its settings for this site, and the way to switch push on is here again."],
  ["off", "Also while this page is closed. Your browser will ask you whether it may."],
  ["on", "This browser tells you also while the page is closed."],
]);

export class PushOffer {
  #push;
  #isOnlyOffer;
  #button = element("button", { class: "button", type: "button" });
  #words = element("p", { class: "quiet", role: "status" });
  #problem = element("p", { class: "problem", role: "alert" });
  box;

  /**
   * @param {import("./web_push.js").WebPush} push
   * @param {{isOnlyOffer?: boolean}} [how] *isOnlyOffer*: shown only where there is something to switch on
   */
  constructor(push, { isOnlyOffer = false } = {}) {
    this.#push = push;
    this.#isOnlyOffer = isOnlyOffer;
    this.#button.onclick = () => (push.state === "on" ? push.turnOff() : push.turnOn());
    this.box = element("div", { class: "push" }, this.#button, this.#words, this.#problem);
    push.addEventListener("change", () => this.#show());
    this.#show();
  }

  #show() {
    const { state, problem, isBusy } = this.#push;
    this.box.hidden = state === null || (this.#isOnlyOffer && state !== "off");
    this.#button.hidden = state !== "off" && state !== "on";
    this.#button.textContent = state === "on" ? "Do not tell me here any more" : "Tell me when somebody hugs me";
    this.#button.classList.toggle("button--main", state === "off");
    this.#button.ariaBusy = isBusy ? "true" : null;
    this.#words.textContent = WORDS.get(state) ?? "";
    this.#problem.textContent = problem;
  }
}
