/** The two panels of hugs: those for you, with "hug back", and those from you, with how far they came. */

import { avatar, byId, element, icon, showList } from "./dom.js";
import { iconOf, phraseOf, titleOf } from "./kinds.js";
import { timeElement } from "./times.js";

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
    const card = hugCard(hug, avatar(hug.from), line, [
      element("button", { class: "button button--small", type: "button", on: { click: back } }, icon("kind-warm"), element("span", { text: "Hug back" }), element("span", { class: "unseen", text: ` ${name}` })),
    ]);
    if (UNSEEN.has(hug.state)) this.#app.seen.watch(card);
    return card;
  }

  #update(card, hug) {
    card.classList.toggle("hug--new", UNSEEN.has(hug.state));
    card.querySelector("button").hidden = !this.#app.people.friends.has(hug.from.id);
  }
}

export class SentPanel {
  #app;
  #hugs;

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
      element("button", { class: "button button--small", type: "button", hidden: true, text: "Try again", on: { click: () => this.#app.resend(hug.id) } }),
      element("button", { class: "button button--small", type: "button", hidden: true, text: "Remove", on: { click: () => this.#hugs.remove(hug.id) } }),
    ]);
  }

  #update(card, hug) {
    const receipt = card.querySelector(".receipt");
    const [picture, text] = receiptOf(hug, this.#app.client.state.name === "live");
    if (card.dataset.state !== hug.state || receipt.textContent !== text) {
      card.dataset.state = hug.state;
      receipt.replaceChildren(icon(picture), element("span", { text }));
    }
    for (const button of card.querySelectorAll("button")) button.hidden = hug.state !== "failed";
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
