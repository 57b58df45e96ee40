/**
 * What this browser does with a push, also while no page is open.
 *
 * It holds no token: a page tells the hub what was opened, and a page renews what the browser has subscribed anew.
 */

const ANSWERS_WITHIN_MS = 1_000;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("push", (event) => event.waitUntil(show(event.data)));
self.addEventListener("notificationclick", (event) => event.waitUntil(open(event.notification)));
self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(subscribeAnew(event)));

/** A browser wants each push to be shown; of one that cannot be read, at least that there is something. */
async function show(data) {
  const { title, body = "", tag, badge, data: about = {} } = read(data);
  await self.registration.showNotification(title || "HugMood", {
    body,
    dir: "auto",
    data: about,
    // What comes with the tag of another takes its place; it is news nevertheless.
    ...(tag ? { tag, renotify: true } : {}),
  });
  if (Number.isInteger(badge)) await self.navigator.setAppBadge?.(badge).catch(() => {});
}

function read(data) {
  try {
    const told = data.json();
    return typeof told === "object" && told !== null ? told : {};
  } catch {
    return {};
  }
}

async function open(notification) {
  const { data } = notification;
  notification.close();
  const page = await pageOfOwner();
  if (page === null) {
    await self.clients.openWindow(`/#push=${encodeURIComponent(JSON.stringify(data))}`);
    return;
  }
  // First the word, then the focus: which a browser may refuse, if the click took long to come to us.
  page.postMessage({ type: "push.opened", data });
  await page.focus().catch(() => {});
}

/** An open page of the person who has switched push on here; a browser may have pages of several people. */
async function pageOfOwner() {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const answers = await Promise.all(pages.map(isOfOwner));
  return pages.find((_, index) => answers[index]) ?? null;
}

function isOfOwner(page) {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    const done = (isOwner) => {
      clearTimeout(timer);
      port1.close();
      resolve(isOwner);
    };
    const timer = setTimeout(() => done(false), ANSWERS_WITHIN_MS);
    port1.onmessage = ({ data }) => done(data === true);
    page.postMessage({ type: "push.whose" }, [port2]);
  });
}

/** The push service has ended the subscription. The next page that looks tells the hub of the new one. */
async function subscribeAnew({ oldSubscription, newSubscription }) {
  if (!newSubscription && oldSubscription) await self.registration.pushManager.subscribe(oldSubscription.options);
  for (const page of await self.clients.matchAll({ type: "window", includeUncontrolled: true })) page.postMessage({ type: "push.changed" });
}
