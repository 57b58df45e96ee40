/** The streak in numbers, and a month of it as a calendar. */

import { longDay, monthName, monthsAfter, shortDay, weekdays, weeksOf } from "./dates.js";
import { byId, element, icon } from "./dom.js";
import { confirmed } from "./person.js";
import { Look } from "./trouble.js";

/** What a day can be: words, and those of the legend. Shapes are in mood_days.css. */
const STATES = {
  logged: "with a mood",
  repaired: "repaired",
  frozen: "kept by a freeze",
  free: "kept for free",
};

export class MoodDays {
  #app;
  #look = new Look();
  #streak = byId("streak");
  #calendar = byId("calendar");
  /** @type {string | null} the month that the person looks at; null: the present one */
  #month = null;

  /** @param {import("./home.js").Home} app */
  constructor(app) {
    this.#app = app;
  }

  load() {
    const query = this.#month === null ? "" : `?month=${this.#month}`;
    return this.#look.at(this.#streak, () => this.#app.api.get(`/v1/me/streak${query}`), (view) => {
      this.#streak.replaceChildren(...numbersOf(view));
      this.#showMonth(view);
    });
  }

  #showMonth(view) {
    const days = new Map(view.days.map(({ date, state }) => [date, state]));
    const rows = weeksOf(view.month).map((week) => element("tr", {}, ...week.map((date) => this.#cell(date, days.get(date), view))));
    const heads = weekdays().map((name) => element("th", { scope: "col", text: name }));
    const isLatest = view.month >= view.today.slice(0, 7);
    const had = document.activeElement?.closest("#calendar button")?.getAttribute("data-way");
    this.#calendar.replaceChildren(
      element(
        "div",
        { class: "month__head" },
        this.#turn("earlier", "Earlier month", monthsAfter(view.month, -1), false),
        element("h3", { id: "month-name", "aria-live": "polite", text: monthName(view.month) }),
        this.#turn("later", "Later month", monthsAfter(view.month, 1), isLatest),
      ),
      element(
        "table",
        { class: "month", "aria-labelledby": "month-name" },
        element("thead", {}, element("tr", {}, ...heads)),
        element("tbody", {}, ...rows),
      ),
      legendOf(new Set(days.values()), view.may_repair.some((date) => date.startsWith(view.month))),
    );
    if (had) this.#calendar.querySelector(`[data-way="${had}"]:not(:disabled)`)?.focus();
  }

  #turn(way, label, month, isOff) {
    const click = async () => {
      this.#month = month;
      const problem = await this.load();
      if (problem !== null) this.#app.tellProblem(problem);
    };
    return element("button", { class: `button button--icon month__${way}`, type: "button", "data-way": way, "aria-label": label, disabled: isOff, on: { click } }, icon("back"));
  }

  #cell(date, state, { today, may_repair: mayRepair }) {
    if (date === null) return element("td");
    const isToday = date === today;
    const isAhead = date > today;
    const number = String(Number(date.slice(8)));
    if (mayRepair.includes(date)) {
      const click = () => this.#repair(date);
      return element("td", {}, element("button", { class: "day day--open", type: "button", "data-way": date, "aria-label": `Repair ${longDay(date)}`, text: number, on: { click } }));
    }
    const said = [state === undefined ? "" : STATES[state], isToday ? "today" : ""].filter((words) => words !== "").join(", ");
    return element(
      "td",
      { "aria-current": isToday ? "date" : null },
      element("span", { class: `day ${state === undefined ? "" : `day--${state}`}`, "data-state": isAhead ? "ahead" : state }, element("span", { text: number }), said === "" ? null : element("span", { class: "unseen", text: `, ${said}` })),
    );
  }

  async #repair(date) {
    const isSure = await confirmed({
      heading: `Repair ${longDay(date)}?`,
      text: "One missed day can be repaired once in 30 days. Your streak then goes on as if you had logged a mood on it.",
      yes: "Repair it",
    });
    if (!isSure) return;
    try {
      await this.#app.api.call("POST", "/v1/me/streak/repair", { date });
    } catch (error) {
      this.#app.tellProblem(error);
    }
    this.load();
  }
}

function numbersOf({ current, longest, freezes, next_milestone: next, at_risk: isOpen, may_repair: mayRepair }) {
  const numbers = [
    [current, "in a row"],
    [longest, "longest"],
    [freezes, freezes === 1 ? "freeze left" : "freezes left"],
  ];
  const tiles = numbers.map(([number, words]) => element("li", {}, element("strong", { text: String(number) }), ` ${words}`));
  const texts = [];
  if (next !== null) texts.push(`The next milestone is ${next} days.`);
  if (isOpen) texts.push("Today is still open, and there is time.");
  if (current === 0) texts.push("A streak begins with the next mood.");
  if (mayRepair.length > 0) texts.push(`You can repair ${new Intl.ListFormat("en", { type: "disjunction" }).format(mayRepair.map(shortDay))}, in the calendar.`);
  return [element("ul", { class: "numbers" }, ...tiles), element("p", { class: "quiet", text: texts.join(" ") })];
}

/** What the shapes mean, of those that are there. */
function legendOf(states, isRepairable) {
  const shown = Object.entries(STATES).filter(([state]) => states.has(state));
  const items = shown.map(([state, words]) => legendItem(`day--${state}`, words));
  if (isRepairable) items.push(legendItem("day--open", "can be repaired: press it"));
  return element("ul", { class: "legend", "aria-hidden": "true" }, ...items);
}

function legendItem(className, words) {
  return element("li", {}, element("span", { class: `day day--small ${className}` }), words);
}
