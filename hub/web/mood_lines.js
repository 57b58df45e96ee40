/** What the chart of moods draws, in numbers: where points lie, and where a line must not go. */

import { DAY_MS, msOf } from "./dates.js";

const HOUR_MS = 3_600_000;
const STEP_MS = { hour: HOUR_MS, day: DAY_MS, week: 7 * DAY_MS, month: 31 * DAY_MS };

/**
 * @typedef {{at: string, count: number, valence: number, lowest: number, highest: number, arousal: number}} Bucket
 * @typedef {{x: number, mean: number, low: number, high: number, bucket: Bucket}} Point in px
 */

/**
 * *buckets*, in order, cut where time without a mood lies between two: a line over it would tell what nobody said.
 * @param {Bucket[]} buckets
 * @param {string} by
 * @returns {Bucket[][]}
 */
export function stretches(buckets, by) {
  const found = [];
  for (const bucket of buckets) {
    const last = found.at(-1)?.at(-1);
    if (last !== undefined && msOf(bucket.at) - msOf(last.at) <= STEP_MS[by]) found.at(-1).push(bucket);
    else found.push([bucket]);
  }
  return found;
}

/**
 * How values become places in a box.
 * @param {{left: number, right: number, top: number, bottom: number}} box
 * @param {string} first date at the left edge
 * @param {string} last date at the right edge
 */
export function scales(box, first, last) {
  const [from, to] = [msOf(first), msOf(last)];
  const x = (at) => box.left + ((msOf(at) - from) / Math.max(to - from, 1)) * (box.right - box.left);
  const y = (valence) => box.top + ((1 - valence) / 2) * (box.bottom - box.top);
  return {
    x,
    y,
    /** @returns {Point} */
    point: (bucket) => ({ x: x(bucket.at), mean: y(bucket.valence), low: y(bucket.lowest), high: y(bucket.highest), bucket }),
  };
}

/** Dates for the axis, at most *most*, evenly from *first* to *last*. */
export function ticks(first, last, most) {
  const days = Math.round((msOf(last) - msOf(first)) / DAY_MS);
  const gaps = Math.max(1, Math.min(most - 1, days));
  const dates = Array.from({ length: gaps + 1 }, (_, index) => msOf(first) + Math.round((days * index) / gaps) * DAY_MS);
  return [...new Set(dates)].map((ms) => new Date(ms).toISOString().slice(0, 10));
}

/** @param {Point[]} points */
export function linePath(points) {
  return points.map(({ x, mean }, index) => `${index === 0 ? "M" : "L"}${round(x)} ${round(mean)}`).join("");
}

/** The area between lowest and highest. @param {Point[]} points */
export function bandPath(points) {
  const there = points.map(({ x, high }) => `${round(x)} ${round(high)}`);
  const back = [...points].reverse().map(({ x, low }) => `${round(x)} ${round(low)}`);
  return `M${[...there, ...back].join("L")}Z`;
}

function round(px) {
  return Math.round(px * 10) / 10;
}
