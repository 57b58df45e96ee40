/**
 * The group hugs one is in, is invited to or has come from.
 *
 * Invariant: what is known of a room, and of each person in it, only gets newer: events and replies carry
 * the `version` they belong to, and an older one changes nothing.
 */

import { Changing } from "./changes.js";

const OVER = new Set(["completed", "expired", "cancelled"]);
const MOST = 200;

/**
 * @typedef {object} Group as `Group` of the protocol, with
 * @property {string} id
 * @property {string} name
 * @property {string} state
 * @property {number} version
 * @property {{id: string, name: string}} host
 * @property {number} count
 * @property {Map<string, {name: string, version: number, isHere: boolean}>} people by their id
 */

/** Dispatches `change`, and of the rooms `pulse`, `came` and `went` with the event as `detail`. */
export class Groups extends Changing {
  /** @type {Map<string, any>} */
  #groups = new Map();
  #api;
  #self;
  #timer;

  /** @param {import("./api.js").Api} api */
  constructor(api, self) {
    super();
    this.#api = api;
    this.#self = self;
  }

  /** All that are not over. Rejects as `Api.call`. */
  async load() {
    const before = [...this.#groups.keys()]; // what comes in meanwhile is newer than the answer
    const found = await this.#api.all("/v1/groups", MOST);
    const ids = new Set(found.map(({ id }) => id));
    for (const id of before) if (!ids.has(id)) this.#groups.delete(id);
    for (const group of found) this.put(group);
    this.changed();
  }

  /** Look again, once for a burst of events. What fails now is put right by the next look. */
  reloadSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.load().catch(() => {}), 80);
  }

  /** One of them, with who is in the room. Rejects as `Api.call`. */
  async loadRoom(id) {
    return this.put(await this.#api.get(`/v1/groups/${id}`));
  }

  get(id) {
    return this.#groups.get(id);
  }

  /** Where one has a seat, then where one is invited; the newest first. */
  open() {
    return [...this.#groups.values()]
      .filter(({ state, membership }) => !OVER.has(state) && (membership === "joined" || membership === "invited"))
      .sort((a, b) => b.membership.localeCompare(a.membership) || (a.id < b.id ? 1 : -1));
  }

  /** Who is in the room, as far as they are named, in the order in which they were told of. */
  peopleIn(id) {
    const people = this.#groups.get(id)?.people ?? new Map();
    return [...people].filter(([, { isHere }]) => isHere).map(([person, { name }]) => ({ id: person, name }));
  }

  /** What the hub says of a whole group. Returns what is known of it now. */
  put(told) {
    const known = this.#groups.get(told.id);
    const people = known?.people ?? new Map();
    if (told.members.length > 0) {
      const here = new Set(told.members.map(({ id }) => id));
      for (const { id, name } of told.members) see(people, id, name, told.version, true);
      for (const [id, { name }] of people) if (!here.has(id)) see(people, id, name, told.version, false);
    }
    const isOlder = known !== undefined && known.version > told.version;
    const group = { ...known, ...(isOlder ? { message: told.message, description: told.description } : told), people };
    this.#groups.set(told.id, group);
    this.changed();
    return group;
  }

  /** An invitation, perhaps of long ago: what it is worth now says the hub. */
  invited(event) {
    if (this.#groups.get(event.id)?.membership === "joined") return;
    this.reloadSoon();
  }

  came(event) {
    this.#moved(event, true);
  }

  went(event) {
    this.#moved(event, false);
    if (event.user.id === this.#self.id) this.reloadSoon();
  }

  pulsed(event) {
    const group = this.#groups.get(event.id);
    if (group === undefined) return;
    const isNews = event.members !== group.count || (event.version ?? 0) > group.version;
    group.count = event.members;
    this.#turn(group, event);
    this.#tell("pulse", event);
    if (isNews) this.changed();
  }

  /** It is over, for us at least. */
  ended(id, state) {
    const group = this.#groups.get(id);
    if (group === undefined) return;
    group.state = state;
    this.changed();
  }

  /** We are not in it any more, nor asked to be. */
  forget(id) {
    this.#groups.delete(id);
    this.changed();
  }

  #moved(event, isHere) {
    const group = this.#groups.get(event.id);
    if (group === undefined) return;
    const was = group.people.get(event.user.id);
    see(group.people, event.user.id, event.user.name, event.version, isHere);
    if (event.version >= group.version) group.count = event.count;
    this.#turn(group, event);
    if (was === undefined ? isHere : was.isHere !== isHere) this.#tell(isHere ? "came" : "went", event);
    this.changed();
  }

  #turn(group, { state, host, version }) {
    if (version === undefined || version < group.version) return;
    group.version = version;
    group.state = state ?? group.state;
    if (host && host !== group.host.id) group.host = { id: host, name: group.people.get(host)?.name ?? "someone" };
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

export function isOver(group) {
  return OVER.has(group.state);
}

function see(people, id, name, version, isHere) {
  const known = people.get(id);
  if (known === undefined || version >= known.version) people.set(id, { name, version, isHere });
}
