/** A push that was opened: the page goes where it leads, and the hub is told. From the worker, or in the address of a new page. */

import { targetOfPush } from "./notification_words.js";
import { goTo } from "./ways.js";

const PLACE = /^#push=(.+)$/;
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** @param {import("./home.js").Home} app */
export function followPushes(app) {
  navigator.serviceWorker?.addEventListener("message", ({ data, ports }) => {
    if (data?.type === "push.whose") ports[0].postMessage(app.push.device !== null);
    else if (data?.type === "push.opened") follow(app, data.data);
    else if (data?.type === "push.changed") app.push.look();
  });
  const [, said] = PLACE.exec(location.hash) ?? [];
  if (said === undefined) return;
  history.replaceState(null, "", location.pathname + location.search);
  follow(app, parse(said));
}

/** *data* came by an address that anybody may have made: what is not an id leads nowhere. */
function follow(app, data) {
  const { delivery, ...about } = Object.fromEntries(Object.entries(data ?? {}).filter(([name, value]) => typeof value === "string" && (name === "kind" || ID.test(value))));
  if (delivery !== undefined) app.notifications.opened(delivery).catch(() => {}); // then it stays unread
  const target = targetOfPush(about);
  if (target === null) app.center.open();
  else goTo(app, target);
}

function parse(text) {
  try {
    return JSON.parse(decodeURIComponent(text));
  } catch {
    return {};
  }
}
