/**
 * Local dates as text, YYYY-MM-DD: days on somebody's calendar, wherever they are. They are reckoned with as if
 * in UTC, where every day has 24 hours.
 */

export const DAY_MS = 86_400_000;

const dayNames = formats({ weekday: "short" });
const monthNames = formats({ month: "long", year: "numeric" });
const shortMonths = formats({ month: "short", year: "numeric" });
const shortDays = formats({ day: "numeric", month: "short" });
const longDays = formats({ day: "numeric", month: "long", year: "numeric" });

function formats(options) {
  return new Intl.DateTimeFormat(undefined, { ...options, timeZone: "UTC" });
}

/** Unix ms of *date*, which may have a time of day, as if in UTC. */
export function msOf(date) {
  return Date.parse(date.includes("T") ? `${date}Z` : `${date}T00:00Z`);
}

/** The date *days* after *date*. */
export function daysAfter(date, days) {
  return dateOf(msOf(date) + days * DAY_MS);
}

/** Today where the person is. */
export function today(now = new Date()) {
  return dateOf(now.getTime() - now.getTimezoneOffset() * 60_000);
}

/** The month (YYYY-MM) *count* after *month*. */
export function monthsAfter(month, count) {
  const [year, number] = month.split("-").map(Number);
  return dateOf(Date.UTC(year, number - 1 + count)).slice(0, 7);
}

/** Monday to Sunday in weeks; null where a day is not of *month*. */
export function weeksOf(month) {
  const first = msOf(`${month}-01`);
  const before = (new Date(first).getUTCDay() + 6) % 7;
  const count = Math.round((msOf(`${monthsAfter(month, 1)}-01`) - first) / DAY_MS);
  const cells = Array.from({ length: Math.ceil((before + count) / 7) * 7 }, (_, index) => {
    const day = index - before;
    return day >= 0 && day < count ? dateOf(first + day * DAY_MS) : null;
  });
  return Array.from({ length: cells.length / 7 }, (_, week) => cells.slice(week * 7, week * 7 + 7));
}

/** "Mon" to "Sun" */
export function weekdays() {
  const monday = Date.UTC(2024, 0, 1);
  return Array.from({ length: 7 }, (_, day) => dayNames.format(monday + day * DAY_MS));
}

/** "November 2026" */
export function monthName(month) {
  return monthNames.format(msOf(`${month}-01`));
}

/** "Nov 2026" */
export function shortMonth(date) {
  return shortMonths.format(msOf(date));
}

/** "21 Nov"; with a time of day, "21 Nov, 14:00" */
export function shortDay(at) {
  const day = shortDays.format(msOf(at));
  return at.includes("T") ? `${day}, ${at.slice(11, 16)}` : day;
}

/** "21 November 2026" */
export function longDay(date) {
  return longDays.format(msOf(date));
}

function dateOf(ms) {
  return new Date(ms).toISOString().slice(0, 10);
}
