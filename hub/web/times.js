/** Times as people say them, kept current while they are on the page. */

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const timeOfDay = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const EVERY_MS = 20_000;

/** "5 minutes ago"; *at* is RFC 3339. */
export function ago(at, nowMs = Date.now()) {
  const seconds = (nowMs - Date.parse(at)) / 1000;
  if (seconds > 7 * 86_400) return exact.format(new Date(at));
  for (const [unit, size] of UNITS) {
    if (seconds >= size) return relative.format(-Math.floor(seconds / size), unit);
  }
  return "just now";
}

/** "today at 18:00", "12 Mar 2026, 18:00"; *at* is RFC 3339. */
export function dayAndTime(at) {
  const when = new Date(at);
  const isToday = when.toDateString() === new Date().toDateString();
  return isToday ? `today at ${timeOfDay.format(when)}` : exact.format(when);
}

/** "40 seconds", "12 minutes" */
export function lasting(ms) {
  const seconds = Math.max(1, Math.round(ms / 1000));
  const [count, unit] = seconds < 90 ? [seconds, "second"] : [Math.round(seconds / 60), "minute"];
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

/** A `<time>` that stays true. */
export function timeElement(at) {
  const node = document.createElement("time");
  node.dateTime = at;
  node.title = exact.format(new Date(at));
  node.textContent = ago(at);
  return node;
}

/** Begin to keep all times of the page current. */
export function keepTimesCurrent() {
  setInterval(() => {
    for (const node of document.querySelectorAll("time[datetime]")) node.textContent = ago(node.dateTime);
  }, EVERY_MS);
}
