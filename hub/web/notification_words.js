/** What a notification says, which picture it has, and where it leads. A kind that is not known is told in general. */

import { phraseOf } from "./kinds.js";
import { dayAndTime } from "./times.js";

const ICONS = new Map([
  ["hugs", "kind-warm"],
  ["requests", "ask"],
  ["groups", "kind-group"],
  ["friends", "people"],
  ["streaks", "flame"],
  ["insights", "mood"],
  ["account", "shield"],
]);

const UNKNOWN = "There is news for you";

/** Of the security of the account, by `about`. */
const ACCOUNT = new Map([["password_changed", "Your password was changed"]]);

/**
 * @typedef {{id: string, name: string}} Person
 * @typedef {object} Words
 * @property {Person | null} who in front of the text
 * @property {string} text
 * @property {string} [saying] what they said, or what it is about
 */

/** The words of an event, by its type. @type {Record<string, (event: any) => Words>} */
const WORDS = {
  "hug.received": ({ from, kind, message }) => ({ who: from, text: `gave you ${phraseOf(kind)}`, saying: message }),
  "hug.felt": ({ from, emoji, message }) => ({ who: from, text: `felt your hug: ${emoji}`, saying: message }),
  "hug.mutual": ({ user }) => ({ who: user, text: "and you hugged each other" }),
  "request.received": ({ from, message }) => ({ who: from, text: "asks for a hug", saying: message }),
  "request.answered": ({ from }) => ({ who: from, text: "gave you the hug you asked for" }),
  "group.invited": ({ from, name, starts_at: at }) => ({ who: from, text: `invites you to “${name}”`, saying: at && `Begins ${dayAndTime(at)}` }),
  "group.started": ({ name }) => ({ who: null, text: `“${name}” has begun` }),
  "group.completed": ({ name, count }) => ({ who: null, text: `“${name}” came to a good end`, saying: count > 1 ? `${count} people hugged` : undefined }),
  "group.cancelled": ({ name, state }) => ({ who: null, text: state === "expired" ? `The time for “${name}” is over` : `“${name}” was called off` }),
  "friend.requested": ({ from }) => ({ who: from, text: "wants to be friends" }),
  "friend.accepted": ({ user }) => ({ who: user, text: "and you are friends now" }),
  "streak.milestone": ({ days }) => ({ who: null, text: `${days} days with a mood in a row` }),
  "account.notice": ({ about }) => ({ who: null, text: ACCOUNT.get(about) ?? "Something about your account has changed" }),
  notification: reminder,
};

/** The types of events that there are words for. */
export const KINDS = Object.keys(WORDS);

/** The picture of *category* in the sprite. */
export function iconOf(category) {
  return ICONS.get(category) ?? "bell";
}

/** @param {{kind: string, event: any}} notification @returns {Words} */
export function wordsOf({ kind, event }) {
  return WORDS[kind]?.(event) ?? { who: null, text: UNKNOWN };
}

/** Of the app's own server, which has words of its own, or a reminder. @returns {Words} */
function reminder({ about, title, body, data = {} }) {
  switch (about) {
    case "streak.at_risk":
      return { who: null, text: `${data.days} days in a row end tonight, unless you log a mood` };
    case "group.starting":
      return { who: null, text: "A group hug begins soon", saying: `Begins ${dayAndTime(data.starts_at)}` };
    case "request.expiring":
      return { who: null, text: "Somebody still waits for your hug", saying: `Until ${dayAndTime(data.ends_at)}` };
    default:
      return { who: null, text: title || UNKNOWN, saying: body };
  }
}

/**
 * Where a notification leads: a part of the page and the ids of what it is about there, the first that is found.
 * @typedef {{part: string, ids: string[]}} Target
 */

/** @param {{kind: string, event: any}} notification @returns {Target | null} */
export function targetOf({ kind, event }) {
  if (kind === "notification") return targetFor(event.about ?? "", event.data ?? {});
  const { id, hug, hugs, from, user } = event;
  const ids = { "hug.received": { hug: id }, "hug.felt": { hug: id }, "hug.mutual": { hugs }, "request.answered": { hug }, "friend.accepted": { user: user?.id } }[kind];
  return targetFor(kind, ids ?? { request: id, group: id, user: from?.id });
}

/**
 * Of a push: its `kind` is that of the event, or what a reminder is about.
 * @param {{kind?: string, id?: string, hug?: string, request?: string, group?: string}} data
 * @returns {Target | null}
 */
export function targetOfPush({ kind = "", ...ids }) {
  return KINDS.includes(kind) ? targetOf({ kind, event: ids }) : targetFor(kind, ids);
}

/** @returns {Target | null} null: there is nothing but the notification itself */
function targetFor(kind, { hug, hugs, request, group, user }) {
  const to = (part, ...ids) => ({ part, ids: ids.filter((id) => id !== undefined) });
  if (kind === "hug.felt") return to("sent", hug);
  if (kind.startsWith("hug.") || kind === "request.answered") return to("received", ...(hugs ?? []), hug);
  if (kind === "friend.accepted") return to("friends", user);
  const found = { request: () => to("asks", request), group: () => to("rooms", group), friend: () => to("requests", user), streak: () => to("moods"), account: () => to("settings") }[kind.split(".")[0]];
  return found?.() ?? null;
}
