/** Settings: what one says about oneself, privacy, whom one has muted, follows or blocked, logging out. */

import { countGraphemes } from "./composer.js";
import { avatar, byId, element, openDialog, showList } from "./dom.js";
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
const ABOUT_MAX = 280;

export class SettingsDialog {
  #app;
  #dialog = byId("settings");
  #problem = byId("settings-problem");

  /** @param {import("./home.js").Home} app */
  constructor(app) {
    this.#app = app;
    byId("open-settings").onclick = () => this.#open();
    byId("log-out").onclick = () => app.logOut();
    byId("about-form").onsubmit = (event) => {
      event.preventDefault();
      this.#attempt(() => this.#saveAbout());
    };
    byId("about").oninput = () => (byId("about-saved").textContent = "");
    app.marks.addEventListener("change", () => this.#showMarks());
    const { name, username, anonymous } = app.self;
    const handle = username ? ` (@${username})` : "";
    byId("settings-self").textContent = anonymous
      ? `You are here as ${name}, without an account: who you are is kept in this browser only.`
      : `You are here as ${name}${handle}.`;
  }

  async #open() {
    this.#problem.textContent = "";
    byId("about-saved").textContent = "";
    openDialog(this.#dialog);
    const work = [() => this.#loadAbout(), () => this.#loadPrivacy(), () => this.#app.marks.load()];
    await Promise.all(work.map((each) => this.#attempt(each)));
  }

  async #attempt(work) {
    this.#problem.textContent = "";
    try {
      await work();
    } catch (error) {
      this.#problem.textContent = error.message;
      this.#problem.scrollIntoView({ block: "nearest" });
    }
  }

  async #loadAbout() {
    const { about } = await this.#app.api.get("/v1/me");
    if (document.activeElement !== byId("about")) byId("about").value = about ?? "";
  }

  async #saveAbout() {
    const about = byId("about").value.trim();
    if (countGraphemes(about) > ABOUT_MAX) throw new Error(`There is room for ${ABOUT_MAX} characters about you.`);
    await this.#app.api.call("PATCH", "/v1/me", { about: about === "" ? null : about });
    byId("about-saved").textContent = "Saved";
  }

  async #loadPrivacy() {
    const privacy = await this.#app.api.get("/v1/me/privacy");
    const has = ([name]) => name in privacy;
    byId("privacy").replaceChildren(
      ...QUESTIONS.filter(has).map(([name, label]) => this.#question(name, label, privacy[name])),
      ...SWITCHES.filter(has).map(([name, label, hint]) => this.#switch(name, label, hint, privacy[name])),
    );
  }

  #question(name, label, value) {
    const select = element("select", { name }, ...AUDIENCES.map(([audience, text]) => element("option", { value: audience, text })));
    select.value = value;
    let kept = value;
    select.onchange = () =>
      this.#attempt(async () => {
        kept = await this.#keep(name, select.value);
      }).then(() => (select.value = kept));
    return element("label", { class: "setting" }, element("span", { text: label }), select);
  }

  #switch(name, label, hint, value) {
    const box = element("input", { type: "checkbox", name, role: "switch", "aria-describedby": `hint-${name}` });
    box.checked = value;
    let kept = value;
    box.onchange = () =>
      this.#attempt(async () => {
        kept = await this.#keep(name, box.checked);
      }).then(() => (box.checked = kept));
    return element(
      "div",
      {},
      element("label", { class: "setting setting--switch" }, element("span", { text: label }), box),
      element("p", { class: "quiet", id: `hint-${name}`, text: hint }),
    );
  }

  /** Change one answer; returns what holds now. */
  async #keep(name, value) {
    await this.#app.api.call("PATCH", "/v1/me/privacy", { [name]: value });
    return value;
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
