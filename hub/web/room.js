/**
 * A group hug from within: who is here, the squeeze, and the ways on.
 *
 * Which room is shown stands in the address (`#room=…`), so that reloading stays in it and "back" leaves the
 * view; the seat itself is only given up by leaving.
 */

import { Circle } from "./circle.js";
import { CommandError } from "./client.js";
import { byId, element } from "./dom.js";
import { isOver } from "./groups.js";
import { confirmed } from "./person.js";
import { leaveAddress, showPlace } from "./places.js";
import { Squeeze } from "./squeeze.js";
import { dayAndTime } from "./times.js";
import { announce, clearToasts, toast } from "./toasts.js";

const PLACE = /^#room=([0-9a-f-]{36})$/;
const NEWS_MAX = 4;
const NEWS_MS = 8_000;
const FEEL_MS = 1_500;

export class Room {
  #app;
  #groups;
  #circle = new Circle();
  #squeeze;
  #id = null;
  #feelTimer;

  /** @param {import("./home.js").Home} app */
  constructor(app) {
    this.#app = app;
    this.#groups = app.groups;
    this.#squeeze = new Squeeze(byId("squeeze"), (strength) => app.client.tell({ type: "group.squeeze", id: this.#id, strength }));
    this.#groups.addEventListener("change", () => this.#show());
    this.#groups.addEventListener("pulse", ({ detail }) => this.#pulsed(detail));
    for (const [name, words] of [["came", "is here"], ["went", "went on"]]) {
      this.#groups.addEventListener(name, ({ detail }) => {
        if (detail.id === this.#id && detail.user.id !== app.self.id) this.#tell(`${detail.user.name} ${words}`);
      });
    }
    app.client.addEventListener("welcome", ({ detail }) => this.#welcomed(detail));
    app.client.addEventListener("state", ({ detail }) => this.#connectionChanged(detail));
    byId("room-back").onclick = () => this.close();
    byId("room-leave").onclick = () => this.#leave();
    byId("room-complete").onclick = () => this.#act("group.complete");
    byId("room-cancel").onclick = () => this.#cancel();
    byId("room-invite").onclick = () => app.inviteTo(this.#groups.get(this.#id));
    globalThis.addEventListener("hashchange", () => this.#follow());
    this.#follow();
  }

  /** The room that is shown, or null. */
  get id() {
    return this.#id;
  }

  /** Show room *id*, in which one has a seat or will have one in a moment. */
  open(id) {
    location.hash = `room=${id}`;
  }

  /** Back to the panels; the seat stays. */
  close() {
    if (this.#id === null) return;
    leaveAddress();
  }

  #follow() {
    const [, id = null] = PLACE.exec(location.hash) ?? [];
    if (id === this.#id) return;
    this.#squeeze.end();
    this.#id = id;
    showPlace(id === null ? "panels" : "room");
    byId("room-news").replaceChildren();
    byId("room-feel").textContent = "";
    if (id === null) {
      byId("friends-heading").focus({ preventScroll: true });
      return;
    }
    clearToasts();
    byId("room-heading").textContent = this.#groups.get(id)?.name ?? "Group hug";
    this.#show();
    if (this.#app.client.state.name === "live") {
      if (this.#groups.get(id)?.membership === "joined") this.#look();
      else this.#enter();
    }
    byId("room-heading").focus({ preventScroll: true });
    scrollTo(0, 0);
  }

  #welcomed({ groups = [] }) {
    if (this.#id === null) return;
    // A seat is kept for 30 s without a connection; who was away longer comes in again.
    if (groups.includes(this.#id)) this.#look();
    else this.#enter();
  }

  async #look() {
    const id = this.#id;
    try {
      const group = await this.#groups.loadRoom(id);
      if (id === this.#id && isOver(group)) this.close();
    } catch {
      // The next event or the next connection tells.
    }
  }

  async #enter() {
    const id = this.#id;
    try {
      const { group } = await this.#app.client.command({ type: "group.join", id });
      this.#groups.put(group);
      if (id === this.#id && isOver(group)) this.#tooLate(group);
    } catch (error) {
      if (id !== this.#id) return;
      this.#app.tellProblem(error);
      if (error instanceof CommandError) this.close();
    }
  }

  #tooLate(group) {
    toast(group.state === "completed" ? `“${group.name}” has already come to its end.` : `“${group.name}” is not on any more.`);
    this.close();
  }

  // What is seen

  #show() {
    const group = this.#groups.get(this.#id);
    if (group === undefined) return;
    const { self } = this.#app;
    const isHost = group.host.id === self.id;
    byId("room-heading").textContent = group.name;
    byId("room-message").textContent = group.message ?? "";
    byId("room-message").hidden = !group.message;
    byId("room-state").textContent = stateOf(group);
    byId("room-host").textContent = isHost ? "You are the host" : `${group.host.name} is the host`;
    this.#circle.show(this.#groups.peopleIn(group.id), group.count, self.id, group.host.id);
    byId("squeeze").ariaDisabled = String(group.state === "scheduled" || this.#app.client.state.name !== "live");
    byId("room-complete").hidden = !isHost || !group.began_at && group.state !== "active";
    byId("room-cancel").hidden = !isHost;
  }

  #pulsed({ id, count, strength, members }) {
    if (id !== this.#id) return;
    this.#circle.pulse(count, strength);
    byId("room-feel").textContent = feelOf(count, strength, members);
    clearTimeout(this.#feelTimer);
    this.#feelTimer = setTimeout(() => (byId("room-feel").textContent = ""), FEEL_MS);
  }

  #tell(text) {
    const news = byId("room-news");
    const line = element("li", { text });
    news.append(line);
    while (news.children.length > NEWS_MAX) news.firstElementChild.remove();
    setTimeout(() => line.remove(), NEWS_MS);
    announce(text);
  }

  #connectionChanged({ name }) {
    if (this.#id === null) return;
    if (name !== "live") this.#squeeze.end();
    byId("room").dataset.live = String(name === "live");
    this.#show();
  }

  // What is done

  async #act(type) {
    try {
      const { group } = await this.#app.client.command({ type, id: this.#id });
      if (group) this.#groups.put(group);
    } catch (error) {
      this.#app.tellProblem(error);
    }
  }

  async #leave() {
    const id = this.#id;
    this.close();
    this.#groups.forget(id);
    try {
      await this.#app.client.command({ type: "group.leave", id });
    } catch (error) {
      this.#app.tellProblem(error);
    }
    this.#groups.reloadSoon();
  }

  async #cancel() {
    const id = this.#id;
    const isSure = await confirmed({
      heading: "Call this group hug off?",
      text: "Everybody who is here or invited is told that it will not be.",
      yes: "Call it off",
    });
    if (isSure && id === this.#id) this.#act("group.cancel");
  }
}

function stateOf({ state, count, starts_at: startsAt }) {
  const people = count === 1 ? "You are the first one here" : `${count} people are here`;
  if (state === "scheduled") return `Begins ${dayAndTime(startsAt)} · ${people}`;
  if (state === "gathering") return `${people} · waiting for one more`;
  return people;
}

function feelOf(count, strength, members) {
  const how = strength > 0.8 ? "as strong as can be" : strength > 0.5 ? "warm and firm" : "gently";
  if (members > 50) return `${count} squeezes, ${how}`;
  return count === 1 ? `A squeeze goes round, ${how}` : `${count} squeezes go round, ${how}`;
}
