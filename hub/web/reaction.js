/** Telling how a hug felt: one emoji, and a word if one likes. */

import { countGraphemes } from "./composer.js";
import { element, field, openDialog } from "./dom.js";
import { sheet } from "./sheets.js";

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
  #dialog;
  #emojis = element("div", { class: "emojis" });
  #message = element("input", { autocomplete: "off" });
  #problem = element("p", { class: "problem", role: "alert" });
  #hug = null;

  /** @param {import("./home.js").Home} app */
  constructor(app) {
    this.#app = app;
    this.#emojis.append(
      ...CHOICES.map(([emoji, word]) =>
        element("label", {}, element("input", { type: "radio", name: "emoji", value: emoji, "aria-label": word }), element("span", { "aria-hidden": "true", text: emoji })),
      ),
    );
    const submit = (event) => {
      event.preventDefault();
      this.#send();
    };
    const form = element(
      "form",
      { on: { submit } },
      element("fieldset", { class: "plain" }, element("legend", { class: "unseen", text: "Choose one" }), this.#emojis),
      field("And a word, if you like", this.#message),
      this.#problem,
      element("button", { class: "button button--main", type: "submit", text: "Tell them" }),
    );
    this.#dialog = sheet("reaction", "How did it feel?", form);
    this.#dialog.classList.add("sheet--small");
  }

  /** @param {import("./hugs.js").Hug} hug one that was received */
  open(hug) {
    this.#hug = hug;
    this.#problem.textContent = "";
    this.#message.value = hug.reaction?.message ?? "";
    const chosen = hug.reaction?.emoji ?? CHOICES[0][0];
    for (const input of this.#emojis.querySelectorAll("input")) input.checked = input.value === chosen;
    openDialog(this.#dialog);
    (this.#emojis.querySelector("input:checked") ?? this.#emojis.querySelector("input")).focus();
  }

  async #send() {
    const emoji = this.#emojis.querySelector("input:checked")?.value ?? CHOICES[0][0];
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
