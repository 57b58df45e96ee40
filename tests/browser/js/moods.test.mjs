/** What the view of moods reckons: months, places on the plane, stretches of a line. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { daysAfter, monthsAfter, msOf, today, weeksOf } from "../../../hub/web/dates.js";
import { bandPath, linePath, scales, stretches, ticks } from "../../../hub/web/mood_lines.js";
import { byQuarter, nearest } from "../../../hub/web/mood_words.js";

const bucket = (at, valence = 0.5) => ({ at, count: 1, valence, lowest: valence - 0.1, highest: valence + 0.1, arousal: 0 });
const starts = (found) => found.map((stretch) => stretch.map(({ at }) => at));

test("every month of ten years has each of its days once, on its weekday, Monday first", () => {
  for (let month = "2020-01"; month < "2030-01"; month = monthsAfter(month, 1)) {
    const weeks = weeksOf(month);
    const [year, number] = month.split("-").map(Number);
    const count = new Date(Date.UTC(year, number, 0)).getUTCDate();
    assert.deepEqual(weeks.flat().filter((date) => date !== null), Array.from({ length: count }, (_, day) => `${month}-${String(day + 1).padStart(2, "0")}`));
    for (const week of weeks) {
      assert.equal(week.length, 7);
      week.forEach((date, index) => date && assert.equal((new Date(msOf(date)).getUTCDay() + 6) % 7, index));
      assert.ok(week.some((date) => date !== null), month);
    }
  }
});

test("days and months go over the ends of years and of February", () => {
  assert.equal(daysAfter("2024-02-28", 1), "2024-02-29");
  assert.equal(daysAfter("2026-01-01", -1), "2025-12-31");
  assert.equal(monthsAfter("2026-01", -1), "2025-12");
  assert.equal(monthsAfter("2026-12", 1), "2027-01");
});

test("today is the date where the device is", () => {
  const late = { getTime: () => Date.parse("2026-11-21T23:30Z"), getTimezoneOffset: () => -60 };
  assert.equal(today(late), "2026-11-22");
  assert.equal(today({ ...late, getTimezoneOffset: () => 60 }), "2026-11-21");
});

test("a line does not go over days without a mood", () => {
  const days = ["2026-10-30", "2026-10-31", "2026-11-01", "2026-11-03", "2026-11-05", "2026-11-06"].map((at) => bucket(at));
  assert.deepEqual(starts(stretches(days, "day")), [["2026-10-30", "2026-10-31", "2026-11-01"], ["2026-11-03"], ["2026-11-05", "2026-11-06"]]);
  const weeks = ["2026-11-02", "2026-11-09", "2026-11-23"].map((at) => bucket(at));
  assert.deepEqual(starts(stretches(weeks, "week")), [["2026-11-02", "2026-11-09"], ["2026-11-23"]]);
  const months = ["2025-12-01", "2026-01-01", "2026-02-01", "2026-04-01"].map((at) => bucket(at));
  assert.deepEqual(stretches(months, "month").map(({ length }) => length), [3, 1]);
  const hours = ["2026-11-21T22:00", "2026-11-21T23:00", "2026-11-22T00:00", "2026-11-22T03:00"].map((at) => bucket(at));
  assert.deepEqual(stretches(hours, "hour").map(({ length }) => length), [3, 1]);
  assert.deepEqual(stretches([], "day"), []);
});

test("the box is filled from the first date to the last, from unpleasant to pleasant", () => {
  const { x, y, point } = scales({ left: 10, right: 110, top: 0, bottom: 200 }, "2026-11-01", "2026-11-11");
  assert.deepEqual([x("2026-11-01"), x("2026-11-06"), x("2026-11-11")], [10, 60, 110]);
  assert.deepEqual([y(1), y(0), y(-1)], [0, 100, 200]);
  const points = [bucket("2026-11-01", 0), bucket("2026-11-11", 0.5)].map(point);
  assert.equal(linePath(points), "M10 100L110 50");
  assert.equal(bandPath(points), "M10 90L110 40L110 60L10 110Z");
});

test("the axis has the first date, the last one, and no more than there is room for", () => {
  for (const most of [2, 3, 5, 8]) {
    const dates = ticks("2026-10-23", "2026-11-21", most);
    assert.equal(dates.length, most);
    assert.deepEqual([dates[0], dates.at(-1)], ["2026-10-23", "2026-11-21"]);
  }
  assert.deepEqual(ticks("2026-11-20", "2026-11-21", 8), ["2026-11-20", "2026-11-21"]);
  assert.deepEqual(ticks("2026-11-21", "2026-11-21", 8), ["2026-11-21"]);
});

test("the words near a place are the nearest, nearest first; each word is in one quarter", () => {
  const words = [
    { mood: "happy", valence: 0.87, arousal: 0.26, quadrant: "high_pleasant" },
    { mood: "calm", valence: 0.47, arousal: -0.83, quadrant: "low_pleasant" },
    { mood: "angry", valence: -0.62, arousal: 0.3, quadrant: "high_unpleasant" },
    { mood: "neutral", valence: 0, arousal: 0, quadrant: "high_pleasant" },
    { mood: "curious", valence: 0.4, arousal: 0.19, quadrant: "high_pleasant" },
  ];
  assert.deepEqual(nearest(words, 0.9, 0.3, 2).map(({ mood }) => mood), ["happy", "curious"]);
  assert.deepEqual(nearest(words, -1, 1, 9).map(({ mood }) => mood)[0], "angry");
  assert.deepEqual(byQuarter(words).map(([, found]) => found.map(({ mood }) => mood)), [["curious", "happy"], ["calm"], ["angry"], [], ["neutral"]]);
});
