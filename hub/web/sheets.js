/** Sheets that make their own DOM: a dialog with a heading and a way to close it. */

import { element, icon } from "./dom.js";

/**
 * A closed sheet, on the page.
 * @param {string} id of the dialog; its heading is `{id}-heading` and may be given the focus
 * @param {string} heading
 * @param {...(Node | string | null)} content
 * @returns {HTMLDialogElement}
 */
export function sheet(id, heading, ...content) {
  const close = element("button", { class: "button button--icon", type: "button", "aria-label": "Close", on: { click: () => dialog.close() } }, icon("close"));
  const head = element("div", { class: "sheet__head" }, element("h2", { id: `${id}-heading`, tabindex: "-1", text: heading }), close);
  const dialog = element("dialog", { class: "sheet", id, "aria-labelledby": `${id}-heading` }, head, ...content);
  document.body.append(dialog);
  return dialog;
}
