/** Settings: what one says about oneself, privacy, notifications, whom one has muted, follows or blocked, logging out. */

import { countGraphemes } from "./composer.js";
import { choice, toggle } from "./controls.js";
import { Devices } from "./devices.js";
import { avatar, byId, element, field, icon, openDialog, showList } from "./dom.js";
import { Preferences } from "./preferences.js";
import { sheet } from "./sheets.js";
import { dayAndTime } from "./times.js";

const QUESTIONS = [
  ["who_may_hug", "Who may hug me"],
  ["who_may_ask", "Who may ask me for a hug"],
  ["who_befriends", "Who may send me friend requests"],
  ["who_finds", "Who can find me by name"],
  ["who_sees_online", "Who sees when I am online"],
  ["who_sees_activity", "Who sees when I was last here"],
  ["who_sees_moods", "Who sees my moods"],
];
const AUDIENCES = [
  ["everyone", "Everyone"],
  ["friends", "Friends"],
  ["nobody", "Nobody"],
];
const SWITCHES = [
  ["shares_receipts", "Let friends see when their hugs arrive and are seen", "Without it, you do not see it of them either."],
  ["takes_community_requests", "Let people I do not know ask me for a hug", "Now and then somebody who needs one; you need not answer."],
];
/** Whom one has marked: `[name, heading, what is said when there is nobody]`. */
const MARKED = [
  ["muted", "Muted", "Nobody is muted."],
  ["followed", "Followed", "You follow nobody."],
  ["blocked", "Blocked", "Nobody is blocked."],
];
const ABOUT_MAX = 280;

export class SettingsDialog {
  #app;
  #dialog;
  #about = element("textarea", { rows: "2", placeholder: "What others may know" });
  #aboutSaved = element("span", { class: "quiet", id: "about-saved", role: "status" });
  #privacy = element("div", { class: "stack" });
  #problem = element("p", { class: "problem", role: "alert" });
  #parts;

  /** @param {import("./home.js").Home} app */
  constructor(app) {
    this.#app = app;
    const attempt = (work) => this.#attempt(work);
    const preferences = new Preferences(app, attempt);
    const devices = new Devices(app, attempt);
    this.#parts = [() => this.#loadSelf(), () => this.#loadPrivacy(), () => preferences.load(), () => devices.load(), () => app.marks.load()];
    this.#dialog = sheet(
      "settings",
      "Settings",
      element("p", { text: whoIs(app.self) }),
      this.#aboutForm(),
      element("h3", { text: "Privacy" }),
      this.#privacy,
      element("h3", { id: "settings-notifications", tabindex: "-1", text: "Notifications" }),
      devices.offer,
      preferences.box,
      devices.box,
      ...MARKED.flatMap(([name, heading, nobody]) => [
        element("h3", { text: heading }),
        element("ul", { class: "list", id: `${name}-list` }),
        element("p", { class: "empty", id: `${name}-empty`, text: nobody }),
      ]),
      this.#problem,
      element("button", { class: "button button--wide", type: "button", on: { click: () => app.logOut() } }, icon("leave"), element("span", { text: "Log out" })),
    );
    byId("open-settings").onclick = () => this.open();
    app.marks.addEventListener("change", () => this.#showMarks());
  }

  /** @param {string} [part] id of what is to be in view */
  async open(part) {
    this.#problem.textContent = "";
    this.#aboutSaved.textContent = "";
    openDialog(this.#dialog);
    await Promise.all(this.#parts.map((load) => this.#attempt(load)));
    if (part === undefined) return;
    byId(part).focus({ preventScroll: true });
    byId(part).scrollIntoView();
  }

  #aboutForm() {
    this.#about.oninput = () => (this.#aboutSaved.textContent = "");
    const submit = (event) => {
      event.preventDefault();
      this.#attempt(() => this.#saveAbout());
    };
    const save = element("button", { class: "button button--small", type: "submit", text: "Save" });
    return element("form", { on: { submit } }, field("About you", this.#about), element("div", { class: "row" }, save, this.#aboutSaved));
  }

  /** Returns whether it was done; why not is told here. */
  async #attempt(work) {
    this.#problem.textContent = "";
    try {
      await work();
      return true;
    } catch (error) {
      this.#problem.textContent = error.message;
      this.#problem.scrollIntoView({ block: "nearest" });
      return false;
    }
  }

  async #loadSelf() {
    const { about } = await this.#app.api.get("/v1/me");
    if (document.activeElement !== this.#about) this.#about.value = about ?? "";
  }

  async #saveAbout() {
    const about = this.#about.value.trim();
    if (countGraphemes(about) > ABOUT_MAX) throw new Error(`There is room for ${ABOUT_MAX} characters about you.`);
    await this.#app.api.call("PATCH", "/v1/me", { about: about === "" ? null : about });
    this.#aboutSaved.textContent = "Saved";
  }

  async #loadPrivacy() {
    const privacy = await this.#app.api.get("/v1/me/privacy");
    const keep = (name) => (value) => this.#attempt(() => this.#app.api.call("PATCH", "/v1/me/privacy", { [name]: value }));
    const has = ([name]) => name in privacy;
    this.#privacy.replaceChildren(
      ...QUESTIONS.filter(has).map(([name, label]) => choice(label, AUDIENCES, privacy[name], keep(name))),
      ...SWITCHES.filter(has).map(([name, label, hint]) => toggle(name, label, hint, privacy[name], keep(name))),
    );
  }

  #showMarks() {
    const { marks } = this.#app;
    this.#list("muted", [...marks.mutes.values()], "Unmute", (id) => marks.unmute(id));
    this.#list("followed", [...marks.follows.values()], "Unfollow", (id) => marks.unfollow(id));
    this.#list("blocked", [...marks.blocks.values()], "Unblock", (id) => marks.unblock(id));
  }

  #list(name, marks, label, undo) {
    byId(`${name}-empty`).hidden = marks.length > 0;
    showList(byId(`${name}-list`), marks, {
      key: ({ user }) => user.id,
      make: ({ user }) => this.#person(user, label, undo),
      update: (node, { until }) => {
        node.querySelector(".person__about").textContent = until ? `until ${dayAndTime(until)}` : "";
      },
    });
  }

  #person(user, label, undo) {
    const click = () => this.#attempt(() => undo(user.id));
    return element(
      "li",
      { class: "person" },
      element("span", { class: "person__face" }, avatar(user)),
      element("span", { class: "person__text" }, element("span", { class: "person__name", text: user.name }), element("span", { class: "person__about" })),
      element("button", { class: "button button--small", type: "button", on: { click } }, element("span", { text: label }), element("span", { class: "unseen", text: ` ${user.name}` })),
    );
  }
}

function whoIs({ name, username, anonymous }) {
  if (anonymous) return `You are here as ${name}, without an account: who you are is kept in this browser only.`;
  return `You are here as ${name}${username ? ` (@${username})` : ""}.`;
}
