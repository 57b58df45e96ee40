/** The notification centre: the bell in the bar, and the list behind it. */

import { avatar, byId, element, icon, openDialog, showList } from "./dom.js";
import { iconOf, targetOf, wordsOf } from "./notification_words.js";
import { PushOffer } from "./push_offer.js";
import { sheet } from "./sheets.js";
import { timeElement } from "./times.js";
import { Look } from "./trouble.js";
import { goTo } from "./ways.js";

const PAGE = 20;
const SHOWN_MAX = 99;

export class NotificationCenter {
  #app;
  #notifications;
  #look = new Look();
  #items = [];
  #next = null;
  #isUnreadOnly = false;
  #trouble = element("div");
  #list = element("ul", { class: "list notes", "aria-labelledby": "notifications-heading" });
  #empty = element("div", { class: "empty empty--large", hidden: true }, icon("bell", "icon icon--large"), element("p"));
  #more = element("button", { class: "button button--wide", type: "button", text: "Show older ones", hidden: true });
  #readAll = element("button", { class: "button button--small", type: "button" }, icon("checks"), element("span", { text: "Mark all read" }));
  #problem = element("p", { class: "problem", role: "alert" });
  #filters;
  #dialog;

  /** @param {import("./home.js").Home} app */
  constructor(app) {
    this.#app = app;
    this.#notifications = app.notifications;
    this.#notifications.addEventListener("change", () => this.#changed());
    const filters = [["All", false], ["Unread", true]];
    this.#filters = filters.map(([text, isUnread]) => element("button", { type: "button", text, "aria-pressed": String(!isUnread), on: { click: () => this.#filter(isUnread) } }));
    this.#readAll.onclick = () => this.#attempt(() => this.#notifications.readAll());
    this.#more.onclick = () => this.#showMore();
    const settings = element("button", { class: "link", type: "button", text: "Choose what you are told", on: { click: () => this.#choose() } });
    this.#dialog = sheet(
      "notifications",
      "Notifications",
      new PushOffer(app.push, { isOnlyOffer: true }).box,
      element("div", { class: "row notes__ways" }, element("div", { class: "segments segments--small", role: "group", "aria-label": "Which ones" }, ...this.#filters), this.#readAll),
      this.#problem,
      this.#trouble,
      this.#list,
      this.#empty,
      this.#more,
      element("p", { class: "notes__choose" }, settings),
    );
    this.#dialog.classList.add("sheet--aside");
    byId("open-notifications").onclick = () => this.open();
    this.#showBadge();
  }

  open() {
    this.#problem.textContent = "";
    openDialog(this.#dialog);
    byId("notifications-heading").focus();
    this.#load();
  }

  #choose() {
    this.#dialog.close();
    this.#app.settings.open("settings-notifications");
  }

  #changed() {
    this.#showBadge();
    if (this.#dialog.open) this.#load();
  }

  #showBadge() {
    const { unread, isMore } = this.#notifications;
    const badge = byId("notifications-badge");
    badge.hidden = unread === 0;
    badge.textContent = unread > SHOWN_MAX ? `${SHOWN_MAX}+` : String(unread);
    byId("open-notifications").ariaLabel = unread === 0 ? "Notifications" : `Notifications, ${unread}${isMore ? " or more" : ""} unread`;
    this.#readAll.ariaDisabled = String(unread === 0);
    navigator.setAppBadge?.(unread).catch(() => {}); // a push has set it on the icon of an installed page, too
  }

  // The list

  #filter(isUnread) {
    this.#isUnreadOnly = isUnread;
    for (const button of this.#filters) button.ariaPressed = String((button.textContent === "Unread") === isUnread);
    this.#items = [];
    this.#trouble.removeAttribute("data-loaded"); // what is shown is of the other list
    this.#load();
  }

  /** As many as were here, anew. */
  async #load() {
    const pages = Math.max(1, Math.ceil(this.#items.length / PAGE));
    const problem = await this.#look.at(this.#trouble, () => this.#pages(pages), ({ items, next }) => {
      this.#trouble.replaceChildren();
      this.#items = items;
      this.#next = next;
      this.#show();
    });
    if (problem !== null) this.#problem.textContent = problem.message;
  }

  async #pages(count) {
    const items = [];
    let next = null;
    for (let page = 0; page < count && (page === 0 || next !== null); page += 1) {
      const found = await this.#page(next);
      items.push(...found.items);
      next = found.next ?? null;
    }
    return { items, next };
  }

  #page(cursor) {
    return this.#notifications.page({ unread: this.#isUnreadOnly, cursor, limit: PAGE });
  }

  async #showMore() {
    this.#more.disabled = true;
    await this.#attempt(async () => {
      const { items, next = null } = await this.#page(this.#next);
      const known = new Set(this.#items.map(({ id }) => id));
      this.#items.push(...items.filter(({ id }) => !known.has(id)));
      this.#next = next;
      this.#show();
    });
    this.#more.disabled = false;
  }

  #show() {
    showList(this.#list, this.#items, {
      key: ({ id }) => String(id),
      make: (notification) => this.#row(notification),
      update: (node, { read_at: readAt }) => {
        node.classList.toggle("note--unread", readAt === undefined);
        node.querySelector(".note__mark").textContent = readAt === undefined ? "Unread: " : "";
      },
    });
    this.#empty.hidden = this.#items.length > 0;
    this.#empty.querySelector("p").textContent = this.#isUnreadOnly ? "You have read everything." : "Hugs, requests and other news will be listed here.";
    this.#more.hidden = this.#next === null;
  }

  #row(notification) {
    const { id, category, at } = notification;
    const { who, text, saying } = wordsOf(notification);
    const words = `${who === null ? "" : `${who.name} `}${text}`;
    const face = who === null ? element("span", { class: "note__icon", "aria-hidden": "true" }, icon(iconOf(category))) : avatar(who);
    const open = element(
      "button",
      { class: "note__open", type: "button", on: { click: () => this.#follow(notification) } },
      element("span", { class: "hug__face" }, face, who === null ? null : element("span", { class: "hug__kind" }, icon(iconOf(category)))),
      element(
        "span",
        { class: "note__text" },
        element("span", { dir: "auto" }, element("span", { class: "unseen note__mark" }), who === null ? null : element("strong", { text: `${who.name} ` }), text),
        saying ? element("span", { class: "note__saying", dir: "auto", text: saying }) : null,
        element("span", { class: "quiet" }, timeElement(at)),
      ),
    );
    const remove = element("button", { class: "button button--icon", type: "button", "aria-label": `Delete: ${words}`, on: { click: () => this.#remove(id) } }, icon("close"));
    return element("li", { class: "note" }, open, remove);
  }

  // What is done with them

  #follow(notification) {
    const { id, read_at: readAt } = notification;
    if (readAt === undefined) this.#attempt(() => this.#notifications.read([id]));
    const target = targetOf(notification);
    if (target !== null) goTo(this.#app, target);
  }

  async #remove(id) {
    const row = this.#list.querySelector(`[data-key="${id}"]`);
    const near = row?.nextElementSibling ?? row?.previousElementSibling;
    const isDone = await this.#attempt(() => this.#notifications.remove(id));
    if (!isDone) return;
    this.#items = this.#items.filter((notification) => notification.id !== id);
    this.#show();
    // The focus goes on to the next one, so that it can be deleted too; unless the person has taken it elsewhere.
    if (near?.isConnected && document.activeElement === byId("notifications-heading")) near.querySelector(".button--icon").focus();
  }

  async #attempt(work) {
    this.#problem.textContent = "";
    try {
      await work();
      return true;
    } catch (error) {
      this.#problem.textContent = error.message;
      return false;
    }
  }
}
