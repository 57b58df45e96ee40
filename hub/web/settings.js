/** Settings: privacy, who is blocked, logging out. */

import { avatar, byId, element, openDialog, showList } from "./dom.js";

const QUESTIONS = [
  ["who_may_hug", "Who may hug me"],
  ["who_sees_online", "Who sees when I am online"],
  ["who_befriends", "Who may send me friend requests"],
  ["who_finds", "Who can find me by name"],
];
const AUDIENCES = [
  ["everyone", "Everyone"],
  ["friends", "Friends"],
  ["nobody", "Nobody"],
];

export class SettingsDialog {
  #app;
  #dialog = byId("settings");
  #problem = byId("settings-problem");

  /** @param {import("./home.js").Actions & {api: import("./api.js").Api, self: any, client: import("./client.js").HugMoodClient}} app */
  constructor(app) {
    this.#app = app;
    byId("open-settings").onclick = () => this.#open();
    byId("log-out").onclick = () => app.logOut();
    const { name, username, anonymous } = app.self;
    const handle = username ? ` (@${username})` : "";
    byId("settings-self").textContent = anonymous
      ? `You are here as ${name}, without an account: who you are is kept in this browser only.`
      : `You are here as ${name}${handle}.`;
  }

  async #open() {
    this.#problem.textContent = "";
    openDialog(this.#dialog);
    await Promise.all([this.#attempt(() => this.#loadPrivacy()), this.#attempt(() => this.#loadBlocked())]);
  }

  async #attempt(work) {
    try {
      await work();
    } catch (error) {
      this.#problem.textContent = error.message;
    }
  }

  async #loadPrivacy() {
    const privacy = await this.#app.api.get("/v1/me/privacy");
    const known = QUESTIONS.filter(([name]) => name in privacy);
    byId("privacy").replaceChildren(...known.map(([name, label]) => this.#question(name, label, privacy[name])));
  }

  #question(name, label, value) {
    const select = element("select", { name }, ...AUDIENCES.map(([audience, text]) => element("option", { value: audience, text })));
    select.value = value;
    let kept = value;
    select.onchange = () =>
      this.#attempt(async () => {
        this.#problem.textContent = "";
        try {
          await this.#app.api.call("PATCH", "/v1/me/privacy", { [name]: select.value });
          kept = select.value;
        } catch (error) {
          select.value = kept;
          throw error;
        }
      });
    return element("label", { class: "setting" }, element("span", { text: label }), select);
  }

  async #loadBlocked() {
    const blocked = (await this.#app.api.all("/v1/blocks")).map(({ user }) => user);
    byId("blocked-empty").hidden = blocked.length > 0;
    showList(byId("blocked-list"), blocked, { key: ({ id }) => id, make: (user) => this.#blockedPerson(user) });
  }

  #blockedPerson(user) {
    const unblock = () =>
      this.#attempt(async () => {
        await this.#app.client.command({ type: "user.unblock", user: user.id });
        await this.#loadBlocked();
      });
    return element(
      "li",
      { class: "person" },
      element("span", { class: "person__face" }, avatar(user)),
      element("span", { class: "person__text" }, element("span", { class: "person__name", text: user.name })),
      element("button", { class: "button button--small", type: "button", on: { click: unblock } }, element("span", { text: "Unblock" }), element("span", { class: "unseen", text: ` ${user.name}` })),
    );
  }
}
