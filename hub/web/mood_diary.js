/** The moods so far, newest first. */

import { byId, element, showList } from "./dom.js";
import { confirmed } from "./person.js";
import { capitalised } from "./mood_words.js";
import { timeElement } from "./times.js";
import { Look } from "./trouble.js";

const PAGE = 20;
const SPOT_REACH = 38; // % from the middle, so that the mark stays within
const SEEN_BY = { friends: "Friends may see it", public: "Everyone may see it" };

export class Diary {
  #app;
  #edit;
  #trouble = byId("diary-trouble");
  #look = new Look();
  #moods = [];
  #next = null;

  /**
   * @param {import("./home.js").Home} app
   * @param {import("./mood_edit.js").MoodEdit} edit
   */
  constructor(app, edit) {
    this.#app = app;
    this.#edit = edit;
    byId("diary-more").onclick = ({ currentTarget: button }) => this.#more(button);
  }

  /** As many as were here, anew. */
  load() {
    const pages = Math.max(1, Math.ceil(this.#moods.length / PAGE));
    return this.#look.at(this.#trouble, () => this.#pages(pages), ({ items, next }) => {
      this.#moods = items;
      this.#next = next;
      this.#show();
    });
  }

  async #pages(count) {
    const items = [];
    let next = null;
    for (let page = 0; page < count && (page === 0 || next !== null); page += 1) {
      const found = await this.#page(next);
      items.push(...found.items);
      next = found.next ?? null;
    }
    return { items, next };
  }

  #page(cursor) {
    return this.#app.api.get(`/v1/moods?${new URLSearchParams({ limit: String(PAGE), ...(cursor ? { cursor } : {}) })}`);
  }

  async #more(button) {
    button.disabled = true;
    try {
      const { items, next = null } = await this.#page(this.#next);
      const known = new Set(this.#moods.map(({ id }) => id));
      this.#moods.push(...items.filter(({ id }) => !known.has(id)));
      this.#next = next;
      this.#show();
    } catch (error) {
      this.#app.tellProblem(error);
    }
    button.disabled = false;
  }

  #show() {
    this.#trouble.replaceChildren();
    showList(byId("diary"), this.#moods, {
      // What has been changed is made anew.
      key: (mood) => `${mood.id} ${mood.edited_at ?? ""}`,
      make: (mood) => this.#card(mood),
    });
    byId("diary-empty").hidden = this.#moods.length > 0;
    byId("diary-more").hidden = this.#next === null;
  }

  #card(mood) {
    const { id, note, felt_at: feltAt, visibility } = mood;
    const word = capitalised(mood.mood);
    return element(
      "li",
      { class: "entry", "data-mood": id },
      spot(mood),
      element(
        "div",
        { class: "entry__text" },
        element("p", {}, element("strong", { text: word }), " ", element("span", { class: "quiet" }, timeElement(feltAt))),
        note ? element("p", { class: "hug__message", text: note }) : null,
        aboutOf(mood),
        visibility in SEEN_BY ? element("p", { class: "quiet", text: SEEN_BY[visibility] }) : null,
      ),
      element("div", { class: "entry__ways" }, way("Edit", word, () => this.#edit.open(id)), way("Delete…", word, () => this.#delete(id, word))),
    );
  }

  async #delete(id, word) {
    const isSure = await confirmed({ heading: `Delete “${word}”?`, text: "The mood is gone then, with all that was told with it.", yes: "Delete" });
    if (!isSure) return;
    try {
      await this.#app.api.call("DELETE", `/v1/moods/${id}`);
      this.#moods = this.#moods.filter((mood) => mood.id !== id);
      this.#show();
    } catch (error) {
      this.#app.tellProblem(error);
    }
  }
}

/** A small plane with the place of the mood on it. */
function spot({ valence, arousal }) {
  const mark = element("span", { class: "spot__mark" });
  mark.style.left = `${50 + valence * SPOT_REACH}%`;
  mark.style.top = `${50 - arousal * SPOT_REACH}%`;
  return element("span", { class: "spot", "aria-hidden": "true" }, mark);
}

/** Tags and factors in one line. */
function aboutOf({ tags = [], factors = {} }) {
  const told = Object.entries(factors).map(([name, value]) => (value === true ? spaced(name) : value === false ? `no ${spaced(name)}` : `${spaced(name)}: ${value.toLocaleString()}`));
  const parts = [...tags.map((tag) => `#${tag}`), ...told];
  return parts.length === 0 ? null : element("p", { class: "quiet", text: parts.join(" · ") });
}

function spaced(name) {
  return name.replaceAll("_", " ");
}

function way(text, word, click) {
  return element("button", { class: "link", type: "button", on: { click } }, element("span", { text }), element("span", { class: "unseen", text: ` ${word}` }));
}
