/** Controls whose change is kept at the hub at once; what could not be kept goes back to what holds. */

import { element } from "./dom.js";

/**
 * @template T
 * @typedef {(value: T) => Promise<boolean>} Keep says whether it was kept; telling why not is its own business
 */

/** One of `[value, text]`. @param {Keep<string>} keep @returns {HTMLLabelElement} */
export function choice(label, choices, value, keep) {
  const select = element("select", {}, ...choices.map(([each, text]) => element("option", { value: each, text })));
  select.value = value;
  let kept = value;
  select.onchange = async () => {
    const chosen = select.value;
    if (await keep(chosen)) kept = chosen;
    select.value = kept;
  };
  return element("label", { class: "setting" }, element("span", { text: label }), select);
}

/** A switch that is told about under it, by `line` with the same *name*, unique on the page. */
export function switchBox(name) {
  return element("input", { type: "checkbox", role: "switch", "aria-describedby": `hint-${name}` });
}

/** A switch with its label and what it means. */
export function line(name, label, hint, box) {
  return element(
    "div",
    {},
    element("label", { class: "setting setting--switch" }, element("span", { text: label }), box),
    element("p", { class: "quiet", id: `hint-${name}`, text: hint }),
  );
}

/** On or off. *name* is unique on the page. @param {Keep<boolean>} keep @returns {HTMLDivElement} */
export function toggle(name, label, hint, value, keep) {
  const box = switchBox(name);
  box.checked = value;
  let kept = value;
  box.onchange = async () => {
    const chosen = box.checked;
    if (await keep(chosen)) kept = chosen;
    box.checked = kept;
  };
  return line(name, label, hint, box);
}
