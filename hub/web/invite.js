/** Hosting a group hug, and inviting friends to one. */

import { CommandError, uuid7 } from "./client.js";
import { countGraphemes } from "./composer.js";
import { byId, element, openDialog, showList } from "./dom.js";

const NAME_MAX = 64;
const MESSAGE_MAX = 280;

export class InviteDialog {
  #dialog = byId("gathering");
  #problem = byId("gathering-problem");
  #app;
  /** The room to invite to; null: a new one. */
  #group = null;

  /** @param {import("./home.js").Home} app */
  constructor(app) {
    this.#app = app;
    byId("open-gathering").onclick = () => this.open(null);
    byId("gathering-form").onsubmit = (event) => {
      event.preventDefault();
      this.#done();
    };
    for (const choice of document.querySelectorAll("input[name=when]")) choice.addEventListener("change", () => this.#showTime());
  }

  /** *group* null: host a new one. */
  open(group) {
    this.#group = group;
    byId("gathering-heading").textContent = group === null ? "A group hug" : `Invite to “${group.name}”`;
    byId("gathering-new").hidden = group !== null;
    byId("gathering-send").textContent = group === null ? "Open the room" : "Invite";
    this.#problem.textContent = "";
    byId("gathering-name").required = group === null;
    const here = new Set(group === null ? [] : this.#app.groups.peopleIn(group.id).map(({ id }) => id));
    const friends = this.#app.people.sorted().filter(({ id }) => !here.has(id));
    byId("gathering-friends").replaceChildren();
    showList(byId("gathering-friends"), friends, {
      key: ({ id }) => id,
      make: ({ id, name }) => element("li", {}, element("label", { class: "choice" }, element("input", { type: "checkbox", name: "invited", value: id }), name)),
    });
    byId("gathering-nobody").hidden = friends.length > 0;
    byId("gathering-time").min = localTime(new Date());
    this.#showTime();
    openDialog(this.#dialog);
  }

  #showTime() {
    byId("gathering-time-field").hidden = !byId("gathering-later").checked;
  }

  get #invited() {
    return [...this.#dialog.querySelectorAll("input[name=invited]:checked")].map(({ value }) => value);
  }

  async #done() {
    if (byId("gathering-send").ariaBusy === "true") return;
    byId("gathering-send").ariaBusy = "true";
    try {
      if (this.#group === null) await this.#create();
      else await this.#invite();
      this.#dialog.close();
    } catch (error) {
      this.#problem.textContent = error.message;
    }
    byId("gathering-send").ariaBusy = null;
  }

  async #create() {
    const name = byId("gathering-name").value.trim();
    const message = byId("gathering-message").value.trim();
    if (name === "") throw new CommandError("invalid", "Give the group hug a name, so that your friends know what it is about.");
    if (countGraphemes(name) > NAME_MAX) throw new CommandError("invalid", `A name has at most ${NAME_MAX} characters.`);
    if (countGraphemes(message) > MESSAGE_MAX) throw new CommandError("invalid", `The invitation has at most ${MESSAGE_MAX} characters.`);
    const startsAt = byId("gathering-later").checked ? timeOf(byId("gathering-time").value) : null;
    const { group } = await this.#app.client.command({
      type: "group.create",
      id: uuid7(),
      name,
      invite: this.#invited,
      ...(message ? { message } : {}),
      ...(startsAt ? { starts_at: startsAt } : {}),
    });
    byId("gathering-form").reset();
    this.#app.groups.put(group);
    this.#app.room.open(group.id);
  }

  async #invite() {
    const users = this.#invited;
    if (users.length === 0) throw new CommandError("invalid", "Tick at least one friend.");
    await this.#app.client.command({ type: "group.invite", id: this.#group.id, users });
  }
}

/** What `<input type="datetime-local">` takes. */
function localTime(when) {
  return new Date(when.getTime() - when.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function timeOf(text) {
  const when = new Date(text);
  if (Number.isNaN(when.getTime())) throw new CommandError("invalid", "Say when it begins.");
  if (when.getTime() <= Date.now()) throw new CommandError("invalid", "That time has passed. Choose a later one, or begin now.");
  return when.toISOString();
}
