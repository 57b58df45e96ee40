/** The devices that are pushed to, and this browser among them: a part of the settings. */

import { element, showList } from "./dom.js";
import { PushOffer } from "./push_offer.js";
import { timeElement } from "./times.js";

const PATH = "/v1/me/devices";
const PROVIDERS = { webpush: "Browser", fcm: "Android app", apns: "Apple app" };

export class Devices {
  #api;
  #push;
  #attempt;
  #devices = [];
  #list = element("ul", { class: "list", "aria-labelledby": "devices-heading" });
  #empty = element("p", { class: "empty", text: "None yet." });
  /** The way to switch push on in this browser. */
  offer;
  box;

  /**
   * @param {import("./home.js").Home} app
   * @param {(work: () => Promise<void>) => Promise<boolean>} attempt does it, and tells why it could not be done
   */
  constructor(app, attempt) {
    this.#api = app.api;
    this.#push = app.push;
    this.#attempt = attempt;
    this.offer = new PushOffer(app.push).box;
    this.box = element("div", {}, element("h3", { id: "devices-heading", text: "Devices that are pushed to" }), this.#list, this.#empty);
    app.push.addEventListener("change", () => this.#pushChanged());
  }

  /** Rejects as `Api.call`. */
  async load() {
    const { items } = await this.#api.get(PATH);
    this.#devices = items;
    this.#show();
  }

  #pushChanged() {
    if (this.box.closest("dialog")?.open && !this.#push.isBusy) this.#attempt(() => this.load());
  }

  #show() {
    this.#empty.hidden = this.#devices.length > 0;
    showList(this.#list, this.#devices, {
      key: ({ id, name }) => `${id} ${name}`,
      make: (device) => this.#row(device),
      update: (node, { id, provider }) => {
        const here = id === this.#push.device ? "This browser" : (PROVIDERS[provider] ?? provider);
        node.querySelector(".device__kind").textContent = `${here} · `;
      },
    });
  }

  #row(device) {
    const { name, used_at: usedAt } = device;
    const way = (label, work) =>
      element("button", { class: "button button--small", type: "button", on: { click: work } }, element("span", { text: label }), element("span", { class: "unseen", text: ` ${name}` }));
    const row = element(
      "li",
      { class: "person device" },
      element(
        "span",
        { class: "person__text" },
        element("span", { class: "person__name", text: name }),
        element("span", { class: "person__about" }, element("span", { class: "device__kind" }), timeElement(usedAt)),
      ),
      element("span", { class: "person__actions" }, way("Rename", () => this.#rename(row, device)), way("Remove", () => this.#remove(device))),
    );
    return row;
  }

  /** In place: the row becomes a field until the new name is kept. */
  #rename(row, device) {
    const input = element("input", { maxlength: "64", value: device.name, "aria-label": `New name of ${device.name}` });
    const old = [...row.childNodes];
    const back = () => {
      row.replaceChildren(...old);
      row.querySelector("button").focus();
    };
    const submit = (event) => {
      event.preventDefault();
      this.#attempt(() => this.#give(device, input.value.trim()));
    };
    const keep = element("button", { class: "button button--small button--main", type: "submit", text: "Keep this name" });
    const cancel = element("button", { class: "button button--small", type: "button", text: "Cancel", on: { click: back } });
    row.replaceChildren(element("form", { class: "device__form", on: { submit } }, input, keep, cancel));
    input.select();
  }

  async #give(device, name) {
    if (name === "") throw new Error("A device needs a name.");
    await this.#api.call("PATCH", `${PATH}/${device.id}`, { name });
    device.name = `${device.name} `; // its row is made anew, also if the name is the same
    await this.load();
    this.#list.querySelector(`[data-key^="${device.id}"] button`)?.focus();
  }

  async #remove({ id }) {
    if (id === this.#push.device) {
      await this.#push.turnOff(); // what changed then loads the list
      return;
    }
    await this.#attempt(async () => {
      await this.#api.call("DELETE", `${PATH}/${id}`);
      await this.load();
    });
  }
}
