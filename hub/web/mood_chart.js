/** Moods over time: the mean as a line, from the lowest to the highest as a band, and the same as a table. */

import { DAY_MS, daysAfter, longDay, msOf, shortDay, shortMonth, today } from "./dates.js";
import { byId, element } from "./dom.js";
import { bandPath, linePath, scales, stretches, ticks } from "./mood_lines.js";
import { Look } from "./trouble.js";

const SVG = "http://www.w3.org/2000/svg";
const RANGES = [
  [30, "30 days"],
  [90, "90 days"],
  [365, "1 year"],
];
const HEIGHT_PX = 230;
const BETWEEN_TICKS_PX = 98; // the first and the last stand to one side
const DOTS_MAX = 60;
const MONTHS_FROM_DAYS = 180; // on the axis
const LEVELS = [
  [1, "pleasant"],
  [0, "even"],
  [-1, "unpleasant"],
];

export class MoodChart {
  #app;
  #box = byId("chart");
  #look = new Look();
  #days = RANGES[0][0];
  #shown = null;

  /** @param {import("./home.js").Home} app */
  constructor(app) {
    this.#app = app;
    byId("chart-ranges").replaceChildren(...RANGES.map(([days, text]) => element("button", { type: "button", "data-days": days, text, on: { click: () => this.#choose(days) } })));
    this.#tellRange();
    // Drawn in the pixels there are, so that its words are as large as all others.
    new ResizeObserver(() => this.#draw()).observe(this.#box);
  }

  load() {
    const last = today();
    const first = daysAfter(last, 1 - this.#days);
    return this.#look.at(this.#box, () => this.#app.api.get(`/v1/moods/timeline?${new URLSearchParams({ first, last })}`), (timeline) => {
      this.#shown = { ...timeline, first, last };
      this.#show();
    });
  }

  async #choose(days) {
    this.#days = days;
    this.#tellRange();
    const problem = await this.load();
    if (problem !== null) this.#app.tellProblem(problem);
  }

  #tellRange() {
    for (const button of byId("chart-ranges").children) button.setAttribute("aria-pressed", String(Number(button.dataset.days) === this.#days));
  }

  #show() {
    const { buckets, by } = this.#shown;
    if (buckets.length === 0) {
      this.#box.replaceChildren(element("p", { class: "empty", text: "No mood was logged in this time." }));
      return;
    }
    const isOpen = this.#box.querySelector("details")?.open ?? false;
    this.#box.replaceChildren(
      element("div", { class: "chart" }),
      element("p", { class: "quiet", text: `The line: the mean of each ${by}. The band: from the lowest to the highest.` }),
      element("details", { class: "fold", open: isOpen }, element("summary", { text: "As a table" }), tableOf(buckets, by)),
    );
    this.#draw();
  }

  #draw() {
    const place = this.#box.querySelector(".chart");
    if (place === null || place.clientWidth === 0 || Number(place.dataset.width) === place.clientWidth) return;
    place.dataset.width = place.clientWidth;
    place.replaceChildren(draw(this.#shown, place.clientWidth));
  }
}

function draw({ buckets, by, first, last }, width) {
  const box = { left: 80, right: width - 14, top: 12, bottom: HEIGHT_PX - 28 };
  const from = buckets[0].at < first ? buckets[0].at : first;
  const { x, y, point } = scales(box, from, last);
  const svg = svgElement("svg", { class: "chart__picture", width, height: HEIGHT_PX, viewBox: `0 0 ${width} ${HEIGHT_PX}`, role: "img", "aria-label": summaryOf(buckets, by) });
  for (const [level, text] of LEVELS) {
    svg.append(svgElement("line", { class: level === 0 ? "chart__middle" : "chart__level", x1: box.left, x2: box.right, y1: y(level), y2: y(level) }));
    svg.append(svgElement("text", { class: "chart__text", x: box.left - 8, y: y(level) + 4, "text-anchor": "end" }, text));
  }
  const dates = ticks(from.slice(0, 10), last, Math.max(2, Math.floor((box.right - box.left) / BETWEEN_TICKS_PX) + 1));
  const nameOf = msOf(last) - msOf(from) > MONTHS_FROM_DAYS * DAY_MS ? shortMonth : shortDay;
  dates.forEach((date, index) => {
    const anchor = index === dates.length - 1 ? "end" : index === 0 ? "start" : "middle";
    const right = anchor === "end" ? width - 2 : x(date);
    svg.append(svgElement("text", { class: "chart__text", x: right, y: HEIGHT_PX - 6, "text-anchor": anchor }, nameOf(date)));
  });
  for (const stretch of stretches(buckets, by)) {
    const points = stretch.map(point);
    svg.append(svgElement("path", { class: "chart__band", d: bandPath(points) }), svgElement("path", { class: "chart__line", d: linePath(points) }));
    for (const one of points.length === 1 || buckets.length <= DOTS_MAX ? points : []) {
      svg.append(svgElement("circle", { class: "chart__dot", cx: one.x, cy: one.mean, r: 3.5 }, svgElement("title", {}, wordsOf(one.bucket))));
    }
  }
  return svg;
}

function tableOf(buckets, by) {
  const heads = [by === "hour" ? "Hour" : by === "day" ? "Day" : `From, one ${by}`, "Moods", "Mean", "Lowest", "Highest"];
  const rows = [...buckets].reverse().map(({ at, count, valence, lowest, highest }) => element("tr", {}, element("th", { scope: "row", text: shortDay(at) }), ...[String(count), ...[valence, lowest, highest].map(signed)].map((text) => element("td", { text }))));
  return element(
    "div",
    { class: "chart__table", tabindex: "0", role: "group", "aria-label": "The chart as a table" },
    element(
      "table",
      {},
      element("caption", { class: "unseen", text: "How pleasant, from −1 to 1" }),
      element("thead", {}, element("tr", {}, ...heads.map((text) => element("th", { scope: "col", text })))),
      element("tbody", {}, ...rows),
    ),
  );
}

function summaryOf(buckets, by) {
  const count = buckets.reduce((sum, bucket) => sum + bucket.count, 0);
  const mean = buckets.reduce((sum, bucket) => sum + bucket.valence * bucket.count, 0) / count;
  const [first, last] = [buckets[0].at, buckets.at(-1).at].map((at) => longDay(at.slice(0, 10)));
  return `How pleasant ${count} moods were, by ${by}, from ${first} to ${last}: ${signed(mean)} in the mean, on a scale from −1 to 1. The table below has the numbers.`;
}

function wordsOf({ at, count, valence, lowest, highest }) {
  return `${shortDay(at)}: ${signed(valence)} (${signed(lowest)} to ${signed(highest)}), ${count} ${count === 1 ? "mood" : "moods"}`;
}

/** "+0.4", "−0.2", "0.0" */
function signed(value) {
  const text = Math.abs(value).toFixed(1);
  if (text === "0.0") return text;
  return `${value < 0 ? "−" : "+"}${text}`;
}

function svgElement(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
