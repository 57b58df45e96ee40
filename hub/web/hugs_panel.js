/** The two panels of hugs: those for you, with "hug back", and those from you, with how far they came. */

import { avatar, byId, element, icon, showList } from "./dom.js";
import { iconOf, phraseOf, titleOf } from "./kinds.js";
import { timeElement } from "./times.js";

const UNDO_MS = 10_000;
/** Too late is told by the hub; too close to it would only disappoint. */
const UNDO_SPARE_MS = 500;
const UNSEEN = new Set(["accepted", "delivered"]);

export class ReceivedPanel {
  #app;
  #hugs;

  /** @param {import("./home.js").Actions & {hugs: import("./hugs.js").Hugs, people: import("./people.js").People, seen: import("./seen.js").SeenWatch}} app */
  constructor(app) {
    this.#app = app;
    this.#hugs = app.hugs.received;
    this.#hugs.addEventListener("change", () => this.#show());
    app.people.addEventListener("change", () => this.#show());
    listenForMore("received-more", this.#hugs, app);
    this.#show();
  }

  #show() {
    const hugs = this.#hugs.all;
    showList(byId("received-list"), hugs, {
      key: ({ id }) => id,
      make: (hug) => this.#card(hug),
      update: (node, hug) => this.#update(node, hug),
    });
    byId("received-empty").hidden = !this.#hugs.isLoaded || hugs.length > 0;
    byId("received-more").hidden = !this.#hugs.hasMore;
    const unseen = hugs.filter(({ state }) => UNSEEN.has(state)).length;
    const badge = byId("received-badge");
    badge.hidden = unseen === 0;
    badge.textContent = String(unseen);
    document.title = unseen > 0 ? `(${unseen}) HugMood` : "HugMood";
  }

  #card(hug) {
    const { id, name } = hug.from;
    const back = () => this.#app.compose(this.#app.people.friends.get(id) ?? hug.from);
    const line = element("p", { class: "hug__line" }, element("strong", { text: name ?? "Someone" }), ` gave you ${phraseOf(hug.kind)}`);
    if (hug.request) line.append(", because you asked");
    const feel = () => this.#app.react(this.#hugs.get(hug.id));
    const card = hugCard(hug, avatar(hug.from), line, [
      element("button", { class: "button button--small", type: "button", on: { click: feel } }, element("span", { class: "hug__react", text: "React" }), element("span", { class: "unseen", text: ` to the hug of ${name}` })),
      element("button", { class: "button button--small hug__back", type: "button", on: { click: back } }, icon("kind-warm"), element("span", { text: "Hug back" }), element("span", { class: "unseen", text: ` ${name}` })),
    ]);
    if (UNSEEN.has(hug.state)) this.#app.seen.watch(card);
    return card;
  }

  #update(card, hug) {
    card.classList.toggle("hug--new", UNSEEN.has(hug.state));
    card.querySelector(".hug__back").hidden = !this.#app.people.friends.has(hug.from.id);
    card.querySelector(".hug__react").textContent = hug.reaction ? "Change" : "React";
    showFelt(card, hug, "You felt");
  }
}

export class SentPanel {
  #app;
  #hugs;
  #undoable = new Set();

  /** @param {import("./home.js").Actions & {hugs: import("./hugs.js").Hugs, client: import("./client.js").HugMoodClient}} app */
  constructor(app) {
    this.#app = app;
    this.#hugs = app.hugs.sent;
    this.#hugs.addEventListener("change", () => this.#show());
    app.client.addEventListener("state", () => this.#show());
    listenForMore("sent-more", this.#hugs, app);
    this.#show();
  }

  #show() {
    const hugs = this.#hugs.all;
    showList(byId("sent-list"), hugs, {
      key: ({ id }) => id,
      make: (hug) => this.#card(hug),
      update: (node, hug) => this.#update(node, hug),
    });
    byId("sent-empty").hidden = !this.#hugs.isLoaded || hugs.length > 0;
    byId("sent-more").hidden = !this.#hugs.hasMore;
  }

  #card(hug) {
    const name = hug.to.name ?? "a friend";
    const line = element("p", { class: "hug__line" }, `${titleOf(hug.kind)} for `, element("strong", { text: name }));
    return hugCard(hug, avatar({ id: hug.to.id, name }), line, [
      element("span", { class: "receipt" }),
      element("button", { class: "button button--small hug__undo", type: "button", hidden: true, on: { click: () => this.#app.undo(hug.id) } }, element("span", { text: "Undo" }), element("span", { class: "unseen", text: ` the hug for ${name}` })),
      element("button", { class: "button button--small hug__failed", type: "button", hidden: true, text: "Try again", on: { click: () => this.#app.resend(hug.id) } }),
      element("button", { class: "button button--small hug__failed", type: "button", hidden: true, text: "Remove", on: { click: () => this.#hugs.remove(hug.id) } }),
    ]);
  }

  #update(card, hug) {
    const receipt = card.querySelector(".receipt");
    const [picture, text] = receiptOf(hug, this.#app.client.state.name === "live");
    if (card.dataset.state !== hug.state || receipt.textContent !== text) {
      card.dataset.state = hug.state;
      receipt.replaceChildren(icon(picture), element("span", { text }));
    }
    for (const button of card.querySelectorAll(".hug__failed")) button.hidden = hug.state !== "failed";
    card.classList.toggle("hug--undone", hug.state === "undone");
    this.#offerUndo(card, hug);
    showFelt(card, hug, "Felt");
  }

  /** For ten seconds, unless it has been told that it was read or has met another. */
  #offerUndo(card, hug) {
    const leftMs = Date.parse(hug.at) + UNDO_MS - UNDO_SPARE_MS - this.#app.serverNow;
    const isOffered = (hug.state === "accepted" || hug.state === "delivered") && !hug.mutual_at && leftMs > 0;
    card.querySelector(".hug__undo").hidden = !isOffered;
    if (isOffered && !this.#undoable.has(hug.id)) {
      this.#undoable.add(hug.id);
      setTimeout(() => {
        this.#undoable.delete(hug.id);
        this.#show();
      }, leftMs);
    }
  }
}

/** How a hug was felt, or that it met another, under its text. */
function showFelt(card, hug, label) {
  const { reaction, mutual_at: metAt } = hug;
  const text = reaction ? `${reaction.emoji} ${reaction.message ?? ""}`.trim() : metAt ? "You hugged each other" : "";
  let node = card.querySelector(".felt");
  if (text === "") {
    node?.remove();
  } else if (node?.dataset.text !== text) {
    node?.remove();
    const emoji = reaction ? [element("span", { class: "unseen", text: `${label}: ` }), element("span", { class: "felt__emoji", text: reaction.emoji })] : [];
    node = element("p", { class: "felt" }, ...emoji, reaction ? element("span", { text: text.slice(reaction.emoji.length) }) : text);
    node.dataset.text = text;
    card.querySelector(".hug__foot").before(node);
  }
}

/** @returns {[string, string]} the picture and the words for how far a hug came */
function receiptOf(hug, isLive) {
  switch (hug.state) {
    case "sending":
      return ["clock", isLive ? "Sending…" : "Waits for the connection"];
    case "failed":
      return ["alert", hug.problem ?? "Not sent"];
    case "accepted":
      return ["check", "Sent"];
    case "delivered":
      return ["checks", "Delivered"];
    case "undone":
      return ["close", "Taken back"];
    default:
      return ["checks", "Seen"];
  }
}

function hugCard(hug, face, line, actions) {
  return element(
    "li",
    { class: `hug hug--${hug.kind}`, "data-hug": hug.id },
    element("span", { class: "hug__face" }, face, element("span", { class: "hug__kind" }, icon(iconOf(hug.kind)))),
    element(
      "div",
      { class: "hug__text" },
      line,
      hug.message ? element("p", { class: "hug__message", text: hug.message }) : null,
      element("div", { class: "hug__foot" }, timeElement(hug.at), ...actions),
    ),
  );
}

function listenForMore(id, hugs, app) {
  byId(id).onclick = async ({ currentTarget: button }) => {
    button.disabled = true;
    try {
      await hugs.more();
    } catch (error) {
      app.tellProblem(error);
    }
    button.disabled = false;
  };
}
