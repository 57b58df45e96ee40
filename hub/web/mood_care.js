/** Somebody to talk to: always one press away, and offered, once in a while, in a gentle line. */

import { byId, element, icon, openDialog } from "./dom.js";
import { longDay } from "./dates.js";
import { sheet } from "./sheets.js";
import { Look } from "./trouble.js";

const COUNTRY = /^[a-z]{2}$/i;

export class Care {
  #app;
  #prompt = byId("care-prompt");
  #look = new Look();
  #country = new Intl.Locale(navigator.language).maximize().region ?? "";
  #list = element("ul", { class: "list" });
  #trouble = element("div");
  #input = element("input", { maxlength: "2", autocomplete: "country", autocapitalize: "characters", spellcheck: "false" });
  #dialog;

  /** @param {import("./home.js").Home} app */
  constructor(app) {
    this.#app = app;
    byId("open-care").onclick = () => this.#open();
    this.#input.oninput = () => this.#choose(this.#input.value.trim());
    this.#dialog = sheet(
      "care",
      "Someone to talk to",
      element("p", { text: "They listen, whatever it is about, and nobody learns here that you looked." }),
      this.#trouble,
      this.#list,
      element("label", { class: "setting" }, element("span", { text: "Country, in two letters" }), this.#input),
    );
  }

  /** Look whether a gentle line is in place now. */
  async load() {
    if (!this.#prompt.hidden) return;
    try {
      const { prompt } = await this.#ask();
      if (!prompt || !this.#prompt.hidden) return;
      this.#prompt.replaceChildren(
        element("span", {}, "The last days were not light, it seems. If you like to talk to somebody, ", element("button", { class: "link", type: "button", text: "here are people who listen", on: { click: () => this.#open() } })),
        element("button", { class: "button button--icon", type: "button", "aria-label": "Put this away", on: { click: () => (this.#prompt.hidden = true) } }, icon("close")),
      );
      this.#prompt.hidden = false;
      await this.#app.api.call("POST", "/v1/care/shown");
    } catch {
      // The way there is at the bottom of the page, too.
    }
  }

  #ask() {
    const query = COUNTRY.test(this.#country) ? `?country=${this.#country.toUpperCase()}` : "";
    return this.#app.api.get(`/v1/care${query}`);
  }

  #open() {
    this.#input.value = this.#country;
    openDialog(this.#dialog);
    byId("care-heading").focus();
    this.#show();
  }

  #choose(country) {
    if (country !== "" && !COUNTRY.test(country)) return;
    this.#country = country;
    this.#show();
  }

  async #show() {
    const problem = await this.#look.at(this.#trouble, () => this.#ask(), ({ resources }) => {
      this.#trouble.replaceChildren();
      this.#list.replaceChildren(...resources.map(resourceOf));
    });
    if (problem !== null) this.#app.tellProblem(problem);
  }
}

function resourceOf({ name, phone, text, url, hours, languages = [], last_verified: verified }) {
  const ways = [
    phone ? element("a", { href: `tel:${phone.replace(/[^+\d]/g, "")}`, text: phone }) : null,
    text ? element("span", { text: `Text: ${text}` }) : null,
    url && /^https:\/\//.test(url) ? element("a", { href: url, target: "_blank", rel: "noopener noreferrer", text: new URL(url).host }) : null,
  ].filter((way) => way !== null);
  const names = new Intl.DisplayNames(undefined, { type: "language", fallback: "code" });
  const about = [hours, languages.map((code) => languageName(names, code)).join(", "), `checked on ${longDay(verified)}`].filter(Boolean);
  return element("li", { class: "resource" }, element("strong", { text: name }), element("p", { class: "resource__ways" }, ...ways), element("p", { class: "quiet", text: about.join(" · ") }));
}

/** An operator may have written "English" instead of "en". */
function languageName(names, code) {
  try {
    return names.of(code);
  } catch {
    return code;
  }
}
