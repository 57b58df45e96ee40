/**
 * The view of moods: logging one, the days of the streak, the chart, patterns, the diary, care.
 *
 * It stands in the address (`#moods`). What it shows is loaded when it is opened, and again when the hub tells of a change.
 */

import { byId } from "./dom.js";
import { Care } from "./mood_care.js";
import { MoodChart } from "./mood_chart.js";
import { MoodDays } from "./mood_days.js";
import { MoodDetails } from "./mood_details.js";
import { Diary } from "./mood_diary.js";
import { MoodEdit } from "./mood_edit.js";
import { MoodOutbox } from "./mood_outbox.js";
import { MoodPatterns } from "./mood_patterns.js";
import { MoodPlane } from "./mood_plane.js";
import { capitalised } from "./mood_words.js";
import { showPlace } from "./places.js";
import { moodStore } from "./stores.js";
import { clearToasts, toast } from "./toasts.js";
import { UnsavedList } from "./mood_unsaved.js";

const ADDRESS = "#moods";
/** What is told of one mood comes in a burst: saved, then the streak. */
const TOGETHER_MS = 150;
const CHANGES = ["mood.saved", "mood.deleted", "streak.updated", "welcome"];

export class Moods {
  #app;
  #outbox;
  #details;
  #plane;
  #unsaved;
  #parts;
  #isShown = false;
  #timer;

  /** @param {import("./home.js").Home} app */
  constructor(app) {
    this.#app = app;
    this.#outbox = new MoodOutbox(app.client, moodStore(app.self.id), () => app.serverNow);
    this.#details = new MoodDetails(byId("mood-details"));
    this.#plane = new MoodPlane((mood, place) => this.#log(mood, place));
    const edit = new MoodEdit(app, () => this.#loadSoon());
    this.#unsaved = new UnsavedList(this.#outbox, app.client, (id) => edit.open(id));
    this.#parts = [new Diary(app, edit), new MoodDays(app), new MoodChart(app), new MoodPatterns(app), new Care(app)];
    for (const name of CHANGES) app.client.addEventListener(name, () => this.#loadSoon());
    app.client.addEventListener("streak.milestone", ({ detail }) => toast(`${detail.days} days with a mood in a row!`));
    globalThis.addEventListener("hashchange", () => this.#follow());
    this.#follow();
  }

  /** As `MoodOutbox.takeUp`. */
  takeUp(command, done) {
    this.#outbox.takeUp(command, done);
  }

  /** Keep nothing in this browser. */
  clear() {
    this.#outbox.clear();
  }

  #follow() {
    const isShown = location.hash === ADDRESS;
    if (isShown === this.#isShown) return;
    this.#isShown = isShown;
    if (isShown) {
      showPlace("moods");
      clearToasts();
      this.#load();
      byId("moods-heading").focus({ preventScroll: true });
      scrollTo(0, 0);
    } else {
      this.#unsaved.tidy();
      if (document.body.dataset.place === "moods") showPlace("panels");
    }
  }

  #load() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#plane.load();
    for (const part of this.#parts) part.load();
  }

  #loadSoon() {
    if (this.#isShown) this.#timer ??= setTimeout(() => this.#load(), TOGETHER_MS);
  }

  /** *place*: where the person has tapped; null: where the word usually is. */
  #log(mood, place) {
    const details = this.#details.take();
    if (details === null) return false;
    this.#unsaved.tidy();
    const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
    this.#outbox.add({ mood, ...place, timezone: timeZone, ...details });
    byId("mood-told").textContent = `${capitalised(mood)}: on its way`;
    return true;
  }
}
