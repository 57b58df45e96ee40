/** The bar on top: are we connected, who are we, and what do friends see of us. */

import { avatar, byId } from "./dom.js";

const TICK_MS = 500;

export class ConnectionLine {
  #client;
  #line = byId("connection");
  #hasBeenLive = false;

  /** @param {import("./client.js").HugMoodClient} client */
  constructor(client) {
    this.#client = client;
    client.addEventListener("state", () => this.#show());
    for (const event of ["online", "offline"]) globalThis.addEventListener(event, () => this.#show());
    byId("connection-retry").onclick = () => {
      client.start();
      client.wake();
    };
    setInterval(() => this.#count(), TICK_MS);
    this.#show();
  }

  #show() {
    const { name } = this.#client.state;
    this.#hasBeenLive ||= name === "live";
    const isOffline = name !== "live" && !navigator.onLine;
    this.#line.dataset.state = isOffline ? "offline" : name;
    this.#line.dataset.troubled = String(isOffline || name === "stopped" || (this.#hasBeenLive && name !== "live"));
    byId("connection-text").textContent = isOffline ? "Offline" : this.#words(name);
    byId("connection-retry").hidden = name !== "waiting" && name !== "stopped";
    this.#count();
  }

  #words(name) {
    switch (name) {
      case "live":
        return "Live";
      case "stopped":
        return "Not connected";
      default:
        return this.#hasBeenLive ? "Reconnecting" : "Connecting";
    }
  }

  // Apart from the text, so that a screen reader does not read out every second.
  #count() {
    const { name, retryAt } = this.#client.state;
    const seconds = name === "waiting" ? Math.ceil((retryAt - Date.now()) / 1000) : 0;
    byId("connection-count").textContent = seconds > 0 ? `in ${seconds} s` : "";
  }
}

/** The own name and the choice of status. *onchange* gets what was chosen. */
export function showSelf(self, status, onchange) {
  byId("self-avatar").replaceChildren(avatar(self));
  byId("self-name").textContent = self.name;
  const select = byId("self-status");
  select.value = status;
  select.onchange = () => onchange(select.value);
}

/** One line under the bar that stays, with a way on if there is one. */
export function showNotice(text, action = null) {
  byId("notice").hidden = text === "";
  byId("notice-text").textContent = text;
  const button = byId("notice-action");
  button.hidden = action === null;
  if (action !== null) {
    button.textContent = action.label;
    button.onclick = action.run;
  }
}
