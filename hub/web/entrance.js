/** The way in: without an account, by logging in, or by registering. */

import { call } from "./api.js";
import { byId } from "./dom.js";
import { Identity } from "./identity.js";

const WAYS = ["anonymous", "login", "register"];

export class Entrance {
  #onenter;
  #tabs = WAYS.map((way) => byId(`tab-${way}`));
  #forms = WAYS.map((way) => byId(`form-${way}`));
  #problem = byId("entrance-problem");

  /** @param {(identity: Identity) => void} onenter */
  constructor(onenter) {
    this.#onenter = onenter;
    this.#tabs.forEach((tab, index) => {
      tab.addEventListener("click", () => this.#choose(index));
      tab.addEventListener("keydown", (event) => this.#move(event, index));
    });
    this.#forms.forEach((form, index) => {
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        this.#enter(form, WAYS[index]);
      });
    });
    this.#choose(0);
  }

  /** Show it; *why* tells somebody who was sent back here. */
  show(why = "") {
    document.body.dataset.view = "entrance";
    document.title = "HugMood";
    this.#problem.textContent = why;
    this.#forms.find((form) => !form.hidden).querySelector("input").focus();
  }

  #choose(chosen) {
    this.#tabs.forEach((tab, index) => {
      tab.setAttribute("aria-selected", String(index === chosen));
      tab.tabIndex = index === chosen ? 0 : -1;
      this.#forms[index].hidden = index !== chosen;
    });
    this.#problem.textContent = "";
  }

  #move(event, index) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = (index + step + WAYS.length) % WAYS.length;
    this.#choose(next);
    this.#tabs[next].focus();
  }

  async #enter(form, way) {
    const body = Object.fromEntries(new FormData(form));
    for (const name of ["name", "email", "username"]) if (name in body) body[name] = body[name].trim();
    const missing = [...form.elements].find((input) => input.required && !body[input.name]);
    if (missing !== undefined) {
      this.#problem.textContent = `Please fill in: ${missing.labels[0].firstChild.textContent.trim()}.`;
      missing.focus();
      return;
    }
    const button = form.querySelector("button");
    button.disabled = true;
    this.#problem.textContent = "";
    try {
      const answer = await call("POST", `/v1/auth/${way}`, { body });
      form.reset();
      this.#onenter(Identity.accept(answer, byId("remember").checked));
    } catch (error) {
      this.#problem.textContent = error.message;
    } finally {
      button.disabled = false;
    }
  }
}
