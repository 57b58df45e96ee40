/** What there is about one friend, and the ways out of a friendship. */

import { byId, openDialog } from "./dom.js";
import { describe } from "./friends.js";

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
  #friend = null;

  /** @param {import("./home.js").Actions & {people: import("./people.js").People}} app */
  constructor(app) {
    this.#app = app;
    byId("person-hug").onclick = () => {
      this.#dialog.close();
      app.compose(this.#friend);
    };
    byId("person-end").onclick = () => this.#end();
    byId("person-block").onclick = () => this.#block();
  }

  open(friend) {
    this.#friend = friend;
    byId("person-heading").textContent = friend.name;
    const since = new Intl.DateTimeFormat(undefined, { dateStyle: "long" }).format(new Date(friend.since));
    const presence = describe(this.#app.people.presenceOf(friend.id));
    byId("person-about").textContent = `${presence} · friends since ${since}`;
    openDialog(this.#dialog);
  }

  async #end() {
    const { id, name } = this.#friend;
    const isSure = await confirmed({
      heading: `End the friendship with ${name}?`,
      text: "You will not see each other online any more. The hugs you gave each other stay.",
      yes: "End it",
    });
    if (isSure) this.#carryOut({ type: "friend.end", user: id });
  }

  async #block() {
    const { id, name } = this.#friend;
    const isSure = await confirmed({
      heading: `Block ${name}?`,
      text: "This ends the friendship, and neither of you can find or hug the other. They are not told. You can lift it in the settings.",
      yes: "Block",
    });
    if (isSure) this.#carryOut({ type: "user.block", user: id });
  }

  #carryOut(command) {
    this.#dialog.close();
    this.#app.carryOut(command);
  }
}
