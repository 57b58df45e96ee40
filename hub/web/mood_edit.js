/** Changing what was told with a mood that is saved: its note, and who may see it. */

import { byId, element, field, openDialog } from "./dom.js";
import { audienceSelect, checkNote } from "./mood_details.js";
import { capitalised } from "./mood_words.js";
import { sheet } from "./sheets.js";

export class MoodEdit {
  #app;
  #onchange;
  #mood;
  #note = element("textarea", { rows: "4" });
  #audience = audienceSelect();
  #problem = element("p", { class: "problem", role: "alert" });
  #save = element("button", { class: "button button--main", type: "submit", text: "Save" });
  #dialog;

  /**
   * @param {import("./home.js").Home} app
   * @param {() => void} onchange
   */
  constructor(app, onchange) {
    this.#app = app;
    this.#onchange = onchange;
    const submit = (event) => {
      event.preventDefault();
      this.#submit();
    };
    const form = element(
      "form",
      { on: { submit } },
      field("A note, for you alone", this.#note),
      field("Who may see the mood", this.#audience),
      this.#problem,
      this.#save,
    );
    this.#dialog = sheet("mood-edit", "", form);
  }

  /** Open it for the mood *id*, as the hub has it now. */
  async open(id) {
    let mood;
    try {
      mood = await this.#app.api.get(`/v1/moods/${id}`);
    } catch (error) {
      this.#app.tellProblem(error);
      return;
    }
    this.#mood = mood;
    byId("mood-edit-heading").textContent = capitalised(mood.mood);
    this.#note.value = mood.note ?? "";
    this.#audience.value = mood.visibility;
    this.#problem.textContent = "";
    openDialog(this.#dialog);
    this.#note.focus();
  }

  async #submit() {
    const note = this.#note.value.trim();
    this.#save.disabled = true;
    this.#problem.textContent = "";
    try {
      checkNote(note);
      await this.#app.api.call("PATCH", `/v1/moods/${this.#mood.id}`, { note: note === "" ? null : note, visibility: this.#audience.value });
      this.#dialog.close();
      this.#onchange();
    } catch (error) {
      this.#problem.textContent = error.message;
    } finally {
      this.#save.disabled = false;
    }
  }
}
