/** Moods that were logged here just now, with how far each has come. */

import { byId, element, icon, showList } from "./dom.js";
import { capitalised } from "./mood_words.js";

export class UnsavedList {
  #outbox;
  #client;
  #onedit;

  /**
   * @param {import("./mood_outbox.js").MoodOutbox} outbox
   * @param {import("./client.js").HugMoodClient} client
   * @param {(id: string) => void} onedit the person wants to add to one that is saved
   */
  constructor(outbox, client, onedit) {
    this.#outbox = outbox;
    this.#client = client;
    this.#onedit = onedit;
    outbox.addEventListener("change", () => this.#show());
    outbox.addEventListener("saved", ({ detail: id }) => this.#tell(id));
    this.#show();
  }

  /** Put away what is saved. */
  tidy() {
    for (const { command, state } of this.#outbox.all) if (state === "saved") this.#outbox.dismiss(command.id);
  }

  #tell(id) {
    const { command } = this.#outbox.all.find((mood) => mood.command.id === id);
    byId("mood-told").textContent = `${capitalised(command.mood)}: saved`;
  }

  #show() {
    showList(byId("unsaved"), this.#outbox.all, {
      key: ({ command }) => command.id,
      make: ({ command }) => this.#card(command),
      update: (node, mood) => this.#update(node, mood),
    });
  }

  #card({ id, mood }) {
    return element(
      "li",
      { class: "unsaved__mood" },
      element("strong", { text: capitalised(mood) }),
      element("span", { class: "receipt" }),
      button("Add a note", ` to ${mood}`, "unsaved__edit", () => this.#onedit(id)),
      button("Remove", ` ${mood}`, "unsaved__remove", () => this.#outbox.dismiss(id)),
    );
  }

  #update(card, { state, problem, command }) {
    const [picture, text] = this.#receiptOf(state, problem);
    const receipt = card.querySelector(".receipt");
    if (receipt.textContent !== text) receipt.replaceChildren(icon(picture), element("span", { text }));
    card.dataset.state = { saving: "sending", saved: "seen", refused: "failed" }[state];
    card.querySelector(".unsaved__edit").hidden = state !== "saved" || command.note !== undefined;
    card.querySelector(".unsaved__remove").hidden = state !== "refused";
  }

  /** @returns {[string, string]} picture and words */
  #receiptOf(state, problem) {
    if (state === "saved") return ["check", "Saved"];
    if (state === "refused") return ["alert", problem];
    return ["clock", this.#client.state.name === "live" ? "Saving…" : "Waits for the connection"];
  }
}

function button(text, unseen, className, click) {
  return element("button", { class: `button button--small ${className}`, type: "button", hidden: true, on: { click } }, element("span", { text }), element("span", { class: "unseen", text: unseen }));
}
