/** What there is about one person, what we decide about them for ourselves, and the ways out of a friendship. */

import { byId, element, openDialog } from "./dom.js";
import { describe } from "./friends.js";
import { MUTES } from "./marks.js";
import { dayAndTime } from "./times.js";

/** Ask before something that cannot be taken back. Resolves to whether it was confirmed. */
export function confirmed({ heading, text, yes }) {
  const dialog = byId("confirm");
  byId("confirm-heading").textContent = heading;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = yes;
  dialog.returnValue = "no";
  openDialog(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

export class PersonDialog {
  #dialog = byId("person");
  #app;
  #person = null;

  /** @param {import("./home.js").Home} app */
  constructor(app) {
    this.#app = app;
    byId("person-hug").onclick = () => {
      this.#dialog.close();
      app.compose(this.#person);
    };
    byId("person-ask").onclick = () => {
      this.#dialog.close();
      app.ask(this.#person);
    };
    byId("person-end").onclick = () => this.#end();
    byId("person-block").onclick = () => this.#block();
    byId("person-follow").onclick = () => {
      const { marks } = app;
      this.#mark(marks.follows.has(this.#person.id) ? marks.unfollow(this.#person.id) : marks.follow(this.#person.id));
    };
    byId("person-unmute").onclick = () => {
      this.#mark(app.marks.unmute(this.#person.id));
      byId("person-heading").focus();
    };
    byId("person-mute").querySelector(".row").replaceChildren(
      ...MUTES.map(([label, forMs]) =>
        element(
          "button",
          { class: "button button--small", type: "button", on: { click: () => this.#mark(app.marks.mute(this.#person.id, forMs)) } },
          element("span", { class: "unseen", text: "Mute: " }),
          element("span", { text: label }),
        ),
      ),
    );
    app.marks.addEventListener("change", () => this.#showMarks());
  }

  /** @param {{id: string, name: string, since?: string}} person with `since` if a friend */
  open(person) {
    this.#person = person;
    const isFriend = person.since !== undefined;
    byId("person-heading").textContent = person.name;
    byId("person-about").textContent = isFriend ? sinceWhen(person.since, this.#app.people.presenceOf(person.id)) : "";
    byId("person-saying").hidden = true;
    for (const name of ["person-hug", "person-ask", "person-end"]) byId(name).hidden = !isFriend;
    this.#showMarks();
    openDialog(this.#dialog);
    this.#look(person.id);
  }

  async #look(id) {
    let found;
    try {
      found = await this.#app.api.get(`/v1/users/${id}`);
    } catch {
      return; // what is known already is shown
    }
    if (id !== this.#person.id) return;
    byId("person-saying").textContent = found.about ?? "";
    byId("person-saying").hidden = !found.about;
  }

  #showMarks() {
    if (this.#person === null) return;
    const { marks } = this.#app;
    const { id } = this.#person;
    const isMuted = marks.isMuted(id);
    const until = marks.mutes.get(id)?.until;
    const words = marks.wordsFor(id).map((word) => (word === "Muted" && until ? `Muted until ${dayAndTime(until)}` : word));
    byId("person-marks").textContent = words.join(" · ");
    byId("person-follow").textContent = marks.follows.has(id) ? "Unfollow" : "Follow";
    byId("person-mute").hidden = isMuted;
    byId("person-unmute").hidden = !isMuted;
  }

  async #mark(done) {
    try {
      await done;
    } catch (error) {
      this.#app.tellProblem(error);
    }
  }

  async #end() {
    const { id, name } = this.#person;
    const isSure = await confirmed({
      heading: `End the friendship with ${name}?`,
      text: "You will not see each other online any more. The hugs you gave each other stay.",
      yes: "End it",
    });
    if (isSure) this.#carryOut({ type: "friend.end", user: id });
  }

  async #block() {
    const { id, name } = this.#person;
    const isSure = await confirmed({
      heading: `Block ${name}?`,
      text: "This ends the friendship, and neither of you can find or hug the other. They are not told. You can lift it in the settings.",
      yes: "Block",
    });
    if (isSure) this.#carryOut({ type: "user.block", user: id });
  }

  #carryOut(command) {
    this.#dialog.close();
    this.#app.carryOut(command).then(() => this.#app.marks.load().catch(() => {}));
  }
}

function sinceWhen(since, presence) {
  const day = new Intl.DateTimeFormat(undefined, { dateStyle: "long" }).format(new Date(since));
  return `${describe(presence)} · friends since ${day}`;
}
