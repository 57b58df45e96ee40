/** Requests for hugs among the friends, and asking for one. */

import { isOpen } from "./asks.js";
import { uuid7 } from "./client.js";
import { countGraphemes } from "./composer.js";
import { avatar, byId, element, field, icon, openDialog, showList } from "./dom.js";
import { phraseOf } from "./kinds.js";
import { sheet } from "./sheets.js";
import { timeElement } from "./times.js";

const COMMUNITY = "community";
const MESSAGE_MAX = 280;

export class AsksList {
  #app;
  #asks;

  /** @param {import("./home.js").Home} app */
  constructor(app) {
    this.#app = app;
    this.#asks = app.asks;
    this.#asks.addEventListener("change", () => this.#show());
    app.hugs.received.addEventListener("change", () => this.#show());
    this.#show();
  }

  #show() {
    const asks = [...this.#asks.incoming, ...this.#asks.outgoing];
    byId("asks").hidden = asks.length === 0;
    showList(byId("asks-list"), asks, {
      key: ({ id, state, hugs, direction }) => `${direction} ${id} ${state} ${hugs}`,
      make: (ask) => (ask.direction === "incoming" ? this.#incoming(ask) : this.#outgoing(ask)),
      update: (node, ask) => {
        if (ask.direction === "outgoing") node.querySelector(".gathering__about").textContent = this.#answerTo(ask);
      },
    });
  }

  #incoming(ask) {
    const { id, from, message, community } = ask;
    const hug = () => this.#app.compose(from, id);
    const decline = async () => {
      this.#asks.forget(id);
      await this.#app.carryOut({ type: "request.answer", id, accept: false });
      this.#asks.reloadSoon();
    };
    return row(
      "gathering gathering--invited",
      avatar(from),
      element("p", {}, element("strong", { text: from.name }), " asks for a hug"),
      message ? element("p", { class: "hug__message", text: message }) : null,
      element("p", { class: "quiet" }, ...(community ? ["asked everybody who likes to be asked · "] : []), timeElement(ask.at)),
      element(
        "div",
        { class: "row" },
        button("Hug", ` for ${from.name}, who asks`, "button--main", hug),
        button("Not now", ` for ${from.name}`, "", decline),
      ),
    );
  }

  #outgoing(ask) {
    const whom = ask.community ? "everybody who likes to be asked" : (ask.to?.name ?? "someone");
    const withdraw = async () => {
      this.#asks.forget(ask.id);
      await this.#app.carryOut({ type: "request.cancel", id: ask.id });
      this.#asks.reloadSoon();
    };
    return row(
      "gathering",
      element("span", { class: "gathering__face", "aria-hidden": "true" }, icon("ask")),
      element("p", {}, "You asked ", element("strong", { text: whom }), " for a hug"),
      ask.message ? element("p", { class: "hug__message", text: ask.message }) : null,
      element("p", { class: "quiet gathering__about" }),
      element("p", { class: "quiet" }, timeElement(ask.at)),
      isOpen(ask) ? element("div", { class: "row" }, button("Take it back", ", the request", "", withdraw)) : null,
    );
  }

  /** What came of it, as far as it is here. Nobody is told of a "not now". */
  #answerTo({ id, hugs = 0 }) {
    const answer = this.#app.hugs.received.all.find(({ request }) => request === id);
    if (hugs > 1) return `${hugs} hugs came`;
    if (answer !== undefined) return `${answer.from.name} gave you ${phraseOf(answer.kind)}`;
    return hugs === 1 ? "A hug came" : "Waits for a hug";
  }
}

export class AskDialog {
  #app;
  #dialog;
  #to = element("select");
  #message = element("textarea", { rows: "2" });
  #hint = element("p", { class: "hint" });
  #problem = element("p", { class: "problem", role: "alert" });
  #send = element("button", { class: "button button--main", type: "submit", text: "Ask" });

  /** @param {import("./home.js").Home} app */
  constructor(app) {
    this.#app = app;
    byId("open-ask").onclick = () => this.open();
    this.#to.onchange = () => this.#showHint();
    const submit = (event) => {
      event.preventDefault();
      this.#ask();
    };
    const form = element(
      "form",
      { on: { submit } },
      field("Whom do you ask?", this.#to),
      field("What it is about, if you like to say", this.#message),
      this.#hint,
      this.#problem,
      this.#send,
    );
    this.#dialog = sheet("ask", "Ask for a hug", form);
  }

  /** @param {{id: string}} [friend] who is chosen to begin with */
  open(friend) {
    const choices = this.#app.people.sorted().map(({ id, name }) => element("option", { value: id, text: name }));
    this.#to.replaceChildren(...choices, element("option", { value: COMMUNITY, text: "Whoever likes to be asked" }));
    if (friend !== undefined) this.#to.value = friend.id;
    this.#problem.textContent = "";
    this.#showHint();
    openDialog(this.#dialog);
    this.#to.focus();
  }

  #showHint() {
    this.#hint.textContent =
      this.#to.value === COMMUNITY
        ? "Some people who have said so in their settings hear of it for 6 hours. You do not learn who they are until they hug you."
        : "They hear of it for a day. Whether and when they answer is up to them.";
  }

  async #ask() {
    const to = this.#to.value;
    const message = this.#message.value.trim();
    if (countGraphemes(message) > MESSAGE_MAX) {
      this.#problem.textContent = `A request has at most ${MESSAGE_MAX} characters.`;
      return;
    }
    if (this.#send.ariaBusy === "true") return;
    this.#send.ariaBusy = "true";
    try {
      await this.#app.client.command({ type: "request.create", id: uuid7(), ...(to === COMMUNITY ? {} : { to }), ...(message ? { message } : {}) });
      this.#message.value = "";
      this.#dialog.close();
      this.#app.asks.reloadSoon();
    } catch (error) {
      this.#problem.textContent = error.message;
    }
    this.#send.ariaBusy = null;
  }
}

function row(look, face, ...content) {
  return element("li", { class: look }, face, element("div", { class: "gathering__text" }, ...content));
}

function button(label, spoken, look, onclick) {
  return element("button", { class: `button button--small ${look}`, type: "button", on: { click: onclick } }, element("span", { text: label }), element("span", { class: "unseen", text: spoken }));
}
