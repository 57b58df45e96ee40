/** What may be told with a mood: a note, tags, the day, who may see it, and when it was. */

import { countGraphemes } from "./composer.js";
import { element, field } from "./dom.js";

export const NOTE_MAX = 2_000;
const TAGS_MAX = 10;
const TAG_MAX = 32;
const DAY_MS = 86_400_000;
const BACK_MAX_MS = 30 * DAY_MS;

/** Who may see a mood: `[value, words]`. */
export const AUDIENCES = [
  ["private", "Only me"],
  ["friends", "Friends who may see my moods"],
  ["public", "Everyone who may see my moods"],
];

/** Factors: `[name, words, the most]`; without a most it is yes or no. */
const FACTORS = [
  ["sleep_hours", "Hours of sleep", 24],
  ["coffee", "Cups of coffee", 50],
  ["exercise", "Exercise"],
  ["outdoors", "Time outdoors"],
];

export class MoodDetails {
  #fold;
  #note = element("textarea", { rows: "3" });
  #tags = element("input", { autocomplete: "off", placeholder: "work, music" });
  #factors = FACTORS.map(([name, , most]) => [name, most === undefined ? yesOrNo() : element("input", { type: "number", min: "0", max: most, step: "0.5", inputmode: "decimal" })]);
  #when = element("input", { type: "datetime-local" });
  #audience = audienceSelect();
  #problem = element("p", { class: "problem", role: "alert" });

  /** @param {HTMLDetailsElement} fold they are folded away in it */
  constructor(fold) {
    this.#fold = fold;
    const factors = this.#factors.map(([, control], index) => field(FACTORS[index][1], control));
    fold.append(
      field("A note, for you alone", this.#note),
      field("Tags, with commas between", this.#tags),
      element("div", { class: "factors", role: "group", "aria-label": "The day" }, ...factors),
      field("When, if not now", this.#when),
      field("Who may see the mood", this.#audience),
      element("p", { class: "hint", text: "Note, tags and the day are never shown to anybody else." }),
      this.#problem,
    );
  }

  /**
   * What was filled in, and the form is empty again.
   * @returns {object | null} fields of `mood.log`; null: something is wrong with them, and the person is told
   */
  take() {
    this.#problem.textContent = "";
    try {
      const fields = this.#read();
      this.#clear();
      return fields;
    } catch (error) {
      this.#problem.textContent = error.message;
      this.#fold.open = true;
      this.#problem.scrollIntoView({ block: "nearest" });
      return null;
    }
  }

  #read() {
    const note = this.#note.value.trim();
    checkNote(note);
    const tags = tagsOf(this.#tags.value);
    const factors = this.#readFactors();
    const feltAt = this.#readWhen();
    return {
      visibility: this.#audience.value,
      ...(note === "" ? {} : { note }),
      ...(tags.length === 0 ? {} : { tags }),
      ...(Object.keys(factors).length === 0 ? {} : { factors }),
      ...(feltAt === null ? {} : { felt_at: feltAt }),
    };
  }

  #readFactors() {
    const factors = {};
    this.#factors.forEach(([name, control], index) => {
      const [, label, most] = FACTORS[index];
      if (control.validity.badInput || (control.value !== "" && !control.checkValidity())) {
        throw new Error(`${label}: a number from 0 to ${most}, in halves.`);
      }
      if (control.value !== "") factors[name] = most === undefined ? control.value === "yes" : Number(control.value);
    });
    return factors;
  }

  #readWhen() {
    if (this.#when.value === "") return null;
    const felt = new Date(this.#when.value);
    if (felt.getTime() > Date.now()) throw new Error("That moment is still to come.");
    if (felt.getTime() < Date.now() - BACK_MAX_MS) throw new Error("A mood is told within 30 days.");
    return felt.toISOString();
  }

  #clear() {
    for (const control of [this.#note, this.#tags, this.#when, ...this.#factors.map(([, each]) => each)]) control.value = "";
    this.#audience.value = AUDIENCES[0][0];
    this.#fold.open = false;
  }
}

/** Throws with a sentence for the person. */
export function checkNote(note) {
  if (countGraphemes(note) > NOTE_MAX) throw new Error(`A note has at most ${NOTE_MAX.toLocaleString()} characters.`);
}

/** The tags in *text*, each once. Throws with a sentence for the person. */
export function tagsOf(text) {
  const tags = [...new Set(text.split(",").map((tag) => tag.trim()))].filter((tag) => tag !== "");
  if (tags.length > TAGS_MAX) throw new Error(`A mood has at most ${TAGS_MAX} tags.`);
  if (tags.some((tag) => countGraphemes(tag) > TAG_MAX)) throw new Error(`A tag has at most ${TAG_MAX} characters.`);
  return tags;
}

export function audienceSelect() {
  return element("select", {}, ...AUDIENCES.map(([value, text]) => element("option", { value, text })));
}

function yesOrNo() {
  const choices = [["", "–"], ["yes", "Yes"], ["no", "No"]];
  return element("select", {}, ...choices.map(([value, text]) => element("option", { value, text })));
}
