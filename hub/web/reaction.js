/** Telling how a hug felt: one emoji, and a word if one likes. */

import { countGraphemes } from "./composer.js";
import { byId, element, openDialog } from "./dom.js";

const CHOICES = [
  ["🤗", "hugged"],
  ["❤️", "loved"],
  ["🥹", "touched"],
  ["😊", "happy"],
  ["😌", "calm"],
  ["🙏", "thankful"],
];
const MESSAGE_MAX = 140;

export class ReactionDialog {
  #app;
  #dialog = byId("reaction");
  #message = byId("reaction-message");
  #problem = byId("reaction-problem");
  #hug = null;

  /** @param {import("./home.js").Home} app */
  constructor(app) {
    this.#app = app;
    byId("emojis").replaceChildren(
      ...CHOICES.map(([emoji, word]) =>
        element("label", {}, element("input", { type: "radio", name: "emoji", value: emoji, "aria-label": word }), element("span", { "aria-hidden": "true", text: emoji })),
      ),
    );
    byId("reaction-form").onsubmit = (event) => {
      event.preventDefault();
      this.#send();
    };
  }

  /** @param {import("./hugs.js").Hug} hug one that was received */
  open(hug) {
    this.#hug = hug;
    this.#problem.textContent = "";
    this.#message.value = hug.reaction?.message ?? "";
    const chosen = hug.reaction?.emoji ?? CHOICES[0][0];
    for (const input of byId("emojis").querySelectorAll("input")) input.checked = input.value === chosen;
    openDialog(this.#dialog);
    (byId("emojis").querySelector("input:checked") ?? byId("emojis").querySelector("input")).focus();
  }

  async #send() {
    const emoji = byId("emojis").querySelector("input:checked")?.value ?? CHOICES[0][0];
    const message = this.#message.value.trim();
    if (countGraphemes(message) > MESSAGE_MAX) {
      this.#problem.textContent = `There is room for ${MESSAGE_MAX} characters.`;
      return;
    }
    const { id } = this.#hug;
    this.#dialog.close();
    try {
      await this.#app.client.command({ type: "hug.react", hug: id, emoji, ...(message ? { message } : {}) });
      this.#app.hugs.received.change(id, { state: "felt", reaction: { emoji, message } });
    } catch (error) {
      this.#app.tellProblem(error);
    }
  }
}
