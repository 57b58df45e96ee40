/** What somebody wants to be told, where, and when not: a part of the settings. Each change is kept at once. */

import { line, switchBox } from "./controls.js";
import { element, field } from "./dom.js";

const PATH = "/v1/me/preferences";
const CHANNELS = [
  ["push", "Push", "by push"],
  ["email", "E-mail", "by e-mail"],
  ["in_app", "Here", "here, at the bell"],
];
const CATEGORIES = [
  ["hugs", "Hugs"],
  ["requests", "Requests for hugs"],
  ["groups", "Group hugs"],
  ["friends", "Friends"],
  ["streaks", "Your days in a row"],
  ["insights", "Your mood patterns"],
];
const PREVIEWS = [
  ["generic", "Hidden"],
  ["name", "Shown"],
];
/** Proposed to whoever switches quiet hours on for the first time. */
const NIGHT = { start: "22:00", end: "07:00" };

export class Preferences {
  #api;
  #attempt;
  /** What holds at the hub, as far as we know. */
  #known = null;
  #changes = 0;
  #work = Promise.resolve();
  #switches = new Map();
  #quiet = switchBox("quiet");
  #start = element("input", { type: "time", required: true });
  #end = element("input", { type: "time", required: true });
  #zone = element("select");
  #times;
  #none = element("p", { class: "quiet", role: "status" });
  #preview = element("select", {}, ...PREVIEWS.map(([value, text]) => element("option", { value, text })));
  #reminders = switchBox("reminders");
  box;

  /**
   * @param {import("./home.js").Home} app
   * @param {(work: () => Promise<void>) => Promise<boolean>} attempt does it, and tells why it could not be done
   */
  constructor(app, attempt) {
    this.#api = app.api;
    this.#attempt = attempt;
    this.#quiet.onchange = () => this.#change({ quiet_hours: this.#quiet.checked ? this.#hours() : null });
    for (const control of [this.#start, this.#end, this.#zone]) control.onchange = () => this.#hoursChanged();
    this.#preview.onchange = () => this.#change({ preview: this.#preview.value });
    this.#reminders.onchange = () => this.#change({ streak_reminders: this.#reminders.checked });
    this.#times = element(
      "div",
      { class: "quiet-hours", role: "group", "aria-label": "Quiet hours" },
      field("From", this.#start),
      field("To", this.#end),
      field("Time zone", this.#zone),
      this.#none,
    );
    this.box = element(
      "div",
      { class: "stack" },
      this.#table(app.self.anonymous),
      element("p", { class: "quiet", text: "What is about the security of your account is always told." }),
      element("label", { class: "setting" }, element("span", { text: "Names on a locked screen" }), this.#preview),
      line("quiet", "Quiet hours", "Nothing rings then. What has come is told together when they end; the bell here does not wait.", this.#quiet),
      this.#times,
      line("reminders", "Remind me before my days in a row end", "In the evening, at most once a day.", this.#reminders),
    );
    this.box.hidden = true;
  }

  /** Rejects as `Api.call`. */
  async load() {
    const turn = this.#changes;
    const preferences = await this.#api.get(PATH);
    if (turn !== this.#changes) return; // the answer to what was changed meanwhile knows better
    this.#known = preferences;
    this.#show();
  }

  // Showing

  #table(isWithoutAddress) {
    const head = element("tr", {}, element("td"), ...CHANNELS.map(([, label]) => element("th", { scope: "col", text: label })));
    const rows = [["", "All of it"], ...CATEGORIES].map(([category, label]) =>
      element("tr", {}, element("th", { scope: "row", text: label }), ...CHANNELS.map(([channel, , how]) => element("td", {}, this.#switch(category, channel, `${label} ${how}`)))),
    );
    const why = element("p", { class: "quiet", id: "hint-email", text: "E-mail needs an address, and you are here without an account." });
    why.hidden = !isWithoutAddress;
    if (isWithoutAddress) {
      for (const [name, box] of this.#switches) {
        if (!name.endsWith("email")) continue;
        box.dataset.isImpossible = "true";
        box.setAttribute("aria-describedby", "hint-email");
      }
    }
    return element("div", {}, element("table", { class: "channels", "aria-label": "What you are told, and where" }, element("thead", {}, head), element("tbody", {}, ...rows)), why);
  }

  #switch(category, channel, label) {
    const box = element("input", { type: "checkbox", "aria-label": label });
    box.onchange = () => {
      const change = { [channel]: box.checked };
      this.#change(category === "" ? { channels: change } : { categories: { [category]: change } });
    };
    this.#switches.set(`${category}.${channel}`, box);
    return box;
  }

  #show() {
    const { channels, categories, quiet_hours: quiet, preview, streak_reminders: reminders } = this.#known;
    for (const [name, box] of this.#switches) {
      const [category, channel] = name.split(".");
      box.checked = category === "" ? channels[channel] : categories[category]?.[channel] ?? false;
      // A category of a channel that is off can be seen, but not switched: nothing would come of it.
      box.disabled = box.dataset.isImpossible === "true" || (category !== "" && !channels[channel]);
    }
    this.#preview.value = preview;
    this.#reminders.checked = reminders;
    this.#quiet.checked = quiet !== null;
    this.#times.hidden = quiet === null;
    const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
    const hours = quiet ?? { ...NIGHT, timezone: timeZone };
    this.#start.value = hours.start;
    this.#end.value = hours.end;
    this.#showZones(hours.timezone, timeZone);
    this.#none.textContent = hours.start === hours.end ? "The same time twice: there are no quiet hours." : "";
    this.box.hidden = false;
  }

  #showZones(chosen, own) {
    if (this.#zone.options.length === 0) {
      const zones = new Set([own, ...Intl.supportedValuesOf("timeZone")]);
      this.#zone.append(...[...zones].sort().map(zoneOption));
    }
    if (![...this.#zone.options].some(({ value }) => value === chosen)) this.#zone.prepend(zoneOption(chosen));
    this.#zone.value = chosen;
  }

  // Changing

  #hours() {
    return { start: this.#start.value, end: this.#end.value, timezone: this.#zone.value };
  }

  /** While a time is being typed there may be none. */
  #hoursChanged() {
    if (this.#start.validity.valid && this.#end.validity.valid) this.#change({ quiet_hours: this.#hours() });
  }

  /** One after another: each answer is the whole, and only that to the last change is what holds. */
  #change(change) {
    const turn = ++this.#changes;
    this.#work = this.#work.then(() =>
      this.#attempt(async () => {
        try {
          this.#known = await this.#api.call("PATCH", PATH, change);
        } finally {
          if (turn === this.#changes) this.#show();
        }
      }),
    );
  }
}

function zoneOption(zone) {
  return element("option", { value: zone, text: zone.replaceAll("_", " ") });
}
