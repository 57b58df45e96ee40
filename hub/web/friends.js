/** The panel of friends: who is there, who asks, and who can be found. */

import { avatar, byId, element, icon, showList } from "./dom.js";
import { ago, timeElement } from "./times.js";

const SEARCH_AFTER_MS = 250;
const SEARCH_MIN = 2;
const OPEN_ARMS = "opens their arms for you";
const STATUS = new Map([
  ["online", "Online"],
  ["away", "Away"],
  ["do_not_disturb", "Do not disturb"],
]);

/** "Online", "Last here 5 minutes ago" … */
export function describe({ status, lastSeen }) {
  return STATUS.get(status) ?? (lastSeen === null ? "Offline" : `Last here ${ago(lastSeen)}`);
}

export class FriendsPanel {
  #app;
  #people;
  #found = [];
  #searches = 0;
  #timer;

  /** @param {import("./home.js").Home} app */
  constructor(app) {
    this.#app = app;
    this.#people = app.people;
    this.#people.addEventListener("change", () => this.#show());
    for (const store of [app.marks, app.asks, app.groups]) store.addEventListener("change", () => this.#show());
    byId("search").value = "";
    byId("search").oninput = () => this.#searchSoon(SEARCH_AFTER_MS);
    byId("search-form").onsubmit = (event) => {
      event.preventDefault();
      this.#searchSoon(0);
    };
    this.#show();
  }

  #show() {
    const requests = [...this.#people.requests.values()].sort((a, b) => a.direction.localeCompare(b.direction));
    byId("requests").hidden = requests.length === 0;
    showList(byId("requests-list"), requests, {
      key: ({ user, direction }) => `${direction} ${user.id}`,
      make: (request) => this.#request(request),
    });
    const invitations = this.#app.groups.open().filter(({ membership }) => membership === "invited").length;
    const incoming = requests.filter(({ direction }) => direction === "incoming").length + this.#app.asks.incoming.length + invitations;
    const badge = byId("requests-badge");
    badge.hidden = incoming === 0;
    badge.textContent = String(incoming);

    const friends = this.#people.sorted();
    showList(byId("friends-list"), friends, {
      key: ({ id }) => id,
      make: (friend) => this.#friend(friend),
      update: (node, friend) => this.#update(node, friend),
    });
    byId("friends-empty").hidden = !this.#people.isLoaded || friends.length > 0 || requests.length > 0 || this.#isSearching;
    this.#showFound();
  }

  #friend(friend) {
    const about = () => this.#app.showPerson(this.#people.friends.get(friend.id) ?? friend);
    return element(
      "li",
      { class: "person" },
      element("span", { class: "person__face" }, avatar(friend), element("span", { class: "dot", "aria-hidden": "true" })),
      element("span", { class: "person__text" }, element("span", { class: "person__name" }), element("span", { class: "person__about" }), element("span", { class: "marks" })),
      element("span", { class: "person__actions" }, this.#hugButton(friend), moreButton(friend, about)),
    );
  }

  #hugButton({ id, name }) {
    const hug = () => this.#app.compose({ id, name });
    return element(
      "button",
      { class: "button button--hug", type: "button", on: { click: hug } },
      icon("kind-warm"),
      element("span", { text: "Hug" }),
      element("span", { class: "unseen", text: ` ${name}` }),
    );
  }

  #update(node, friend) {
    const presence = this.#people.presenceOf(friend.id);
    node.dataset.status = presence.status;
    node.querySelector(".person__name").textContent = friend.name;
    const isOpen = this.#people.isOpening(friend.id);
    node.classList.toggle("person--open", isOpen);
    node.querySelector(".person__about").textContent = isOpen ? OPEN_ARMS : describe(presence);
    showMarks(node, this.#app.marks.wordsFor(friend.id));
  }

  #request({ user, direction, at }) {
    const isIncoming = direction === "incoming";
    const about = element("span", { class: "person__about", text: isIncoming ? "wants to be friends · " : "asked by you · " });
    about.append(timeElement(at));
    return element(
      "li",
      { class: "person" },
      element("span", { class: "person__face" }, avatar(user)),
      element("span", { class: "person__text" }, element("span", { class: "person__name", text: user.name }), about),
      element("span", { class: "person__actions" }, ...(isIncoming ? this.#answers(user) : [this.#act("Withdraw", user, { type: "friend.end", user: user.id })])),
    );
  }

  #answers(user) {
    return [
      this.#act("Accept", user, { type: "friend.answer", from: user.id, accept: true }, "button--main"),
      this.#act("Decline", user, { type: "friend.answer", from: user.id, accept: false }),
    ];
  }

  /** A button that carries out *command*; its label is complete for who only hears it. */
  #act(label, user, command, look = "") {
    const button = element(
      "button",
      { class: `button button--small ${look}`, type: "button" },
      element("span", { text: label }),
      element("span", { class: "unseen", text: ` ${user.name}` }),
    );
    // Not disabled meanwhile: that would take the focus from under who uses the keyboard.
    button.onclick = async () => {
      if (button.ariaBusy === "true") return;
      button.ariaBusy = "true";
      await this.#app.carryOut(command);
      button.ariaBusy = null;
    };
    return button;
  }

  // Finding people

  get #isSearching() {
    return byId("search").value.trim() !== "";
  }

  #searchSoon(afterMs) {
    clearTimeout(this.#timer);
    if (this.#isSearching) {
      this.#timer = setTimeout(() => this.#search(), afterMs);
      return;
    }
    this.#searches += 1; // an answer that is still on its way is for nobody
    this.#found = [];
    this.#show();
  }

  async #search() {
    const turn = ++this.#searches;
    const text = byId("search").value.trim();
    let problem = "";
    let items = [];
    try {
      if (text.length < SEARCH_MIN) throw new Error("Type at least two letters.");
      ({ items } = await this.#app.api.get(`/v1/users?${new URLSearchParams({ search: text, limit: "20" })}`));
      if (items.length === 0) problem = `Nobody called “${text}” can be found.`;
    } catch (error) {
      problem = error.message;
    }
    if (turn !== this.#searches) return; // what was typed meanwhile is being looked for
    this.#found = items.filter(({ id }) => id !== this.#app.self.id);
    if (items.length > 0 && this.#found.length === 0) problem = "That is you.";
    byId("found-empty").textContent = problem;
    this.#show();
    // Nobody is told of a request that was withdrawn or declined; what was found knows better.
    if (this.#found.some((user) => user.relation !== this.#people.relationTo(user.id))) this.#people.reloadSoon();
  }

  #showFound() {
    byId("found").hidden = !this.#isSearching;
    byId("found-empty").hidden = byId("found-empty").textContent === "";
    showList(byId("found-list"), this.#found, {
      key: (user) => `${user.id} ${this.#relationTo(user)}`,
      make: (user) => this.#result(user),
      update: (node, user) => showMarks(node, this.#app.marks.wordsFor(user.id)),
    });
  }

  #relationTo(user) {
    return this.#people.isLoaded ? this.#people.relationTo(user.id) : user.relation;
  }

  #result(user) {
    const actions = {
      none: () => [this.#act("Add friend", user, { type: "friend.request", to: user.id }, "button--main")],
      requested: () => [element("span", { class: "quiet", text: "Asked" })],
      incoming: () => this.#answers(user),
      friends: () => [this.#hugButton(user)],
    }[this.#relationTo(user)];
    const handle = user.username ? element("span", { class: "person__about", text: `@${user.username}` }) : null;
    return element(
      "li",
      { class: "person" },
      element("span", { class: "person__face" }, avatar(user)),
      element("span", { class: "person__text" }, element("span", { class: "person__name", text: user.name }), handle, element("span", { class: "marks" })),
      element("span", { class: "person__actions" }, ...(actions?.() ?? []), moreButton(user, () => this.#app.showPerson(this.#people.friends.get(user.id) ?? user))),
    );
  }
}

function moreButton({ name }, onclick) {
  return element("button", { class: "button button--icon", type: "button", "aria-label": `More about ${name}`, on: { click: onclick } }, icon("more"));
}

function showMarks(node, words) {
  const marks = node.querySelector(".marks");
  if (marks.textContent !== words.join("")) marks.replaceChildren(...words.map((text) => element("span", { text })));
}
