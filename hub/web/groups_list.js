/** Group hugs among the friends: the rooms one is in, and invitations. */

import { byId, element, icon, showList } from "./dom.js";
import { dayAndTime } from "./times.js";

export class GroupsList {
  #app;
  #groups;

  /** @param {import("./home.js").Home} app */
  constructor(app) {
    this.#app = app;
    this.#groups = app.groups;
    this.#groups.addEventListener("change", () => this.#show());
    this.#show();
  }

  #show() {
    const groups = this.#groups.open();
    byId("rooms").hidden = groups.length === 0;
    showList(byId("rooms-list"), groups, {
      key: ({ id, membership }) => `${membership} ${id}`,
      make: (group) => this.#card(group),
      update: (node, group) => {
        node.querySelector(".gathering__about").textContent = aboutOf(group);
      },
    });
  }

  #card(group) {
    const isInvited = group.membership === "invited";
    const { id, name, host, message } = group;
    const open = () => this.#app.room.open(id);
    return element(
      "li",
      { class: `gathering ${isInvited ? "gathering--invited" : ""}` },
      element("span", { class: "gathering__face", "aria-hidden": "true" }, icon("kind-group")),
      element(
        "div",
        { class: "gathering__text" },
        element("p", {}, element("strong", { text: name })),
        element("p", { class: "quiet", text: isInvited ? `${host.name} invites you to a group hug` : "You are in this group hug" }),
        message && isInvited ? element("p", { class: "hug__message", text: message }) : null,
        element("p", { class: "quiet gathering__about" }),
        element(
          "div",
          { class: "row" },
          named(element("button", { class: "button button--small button--main", type: "button", on: { click: open } }), isInvited ? "Join" : "Go in", name),
          isInvited ? named(element("button", { class: "button button--small", type: "button", on: { click: () => this.#decline(id) } }), "Not now", name) : null,
        ),
      ),
    );
  }

  async #decline(id) {
    this.#groups.forget(id);
    await this.#app.carryOut({ type: "group.leave", id });
  }
}

/** *label* to the eye; with *name* for who only hears it. */
function named(button, label, name) {
  button.append(element("span", { text: label }), element("span", { class: "unseen", text: ` ${name}` }));
  return button;
}

function aboutOf({ state, count, starts_at: startsAt }) {
  if (state === "scheduled") return `Begins ${dayAndTime(startsAt)}`;
  return count === 1 ? "One person is there" : `${count} people are there`;
}
