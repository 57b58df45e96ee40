/**
 * Building and keeping elements. Text goes in as text, always: there is no way from data to markup here.
 */

const SVG = "http://www.w3.org/2000/svg";
const HUES = 8;

/**
 * An element.
 * @param {string} tag
 * @param {Record<string, any>} [properties] `class`, `text`, `on` (listeners by event), anything else an attribute;
 *   null, undefined and false are left out
 * @param {...(Node | string | null)} children
 * @returns {any} the element, of the kind that *tag* says
 */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "text") node.textContent = value;
    else if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/**
 * The element with *id*, which is in index.html.
 * @param {string} id
 * @returns {any} an element of whatever kind index.html says
 */
export function byId(id) {
  const node = document.getElementById(id);
  if (node === null) throw new Error(`index.html has no #${id}`);
  return node;
}

/** A picture of the sprite in index.html; it says nothing that text beside it does not say. */
export function icon(name, className = "icon") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", className);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** A control of a form with its label above it. */
export function field(label, control) {
  return element("label", { class: "field" }, element("span", { text: label }), control);
}

/** A round initial, of a colour that stays with the person. */
export function avatar(person) {
  const hue = [...person.id].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 65_521, 7) % HUES;
  const [initial] = new Intl.Segmenter().segment(person.name || "?");
  return element("span", { class: `avatar avatar--${hue}`, "aria-hidden": "true", text: initial.segment.toUpperCase() });
}

/**
 * Make *list* show *items*, keeping the node of each item that stays, with its focus and its animation.
 * @template T
 * @param {Element} list
 * @param {T[]} items
 * @param {{key: (item: T) => string, make: (item: T) => Element, update?: (node: any, item: T) => void}} how
 */
export function showList(list, items, { key, make, update }) {
  const old = new Map([...list.children].map((node) => [node.getAttribute("data-key"), node]));
  let place = list.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let node = old.get(name);
    old.delete(name);
    if (node === undefined) {
      node = make(item);
      node.setAttribute("data-key", name);
    }
    update?.(node, item);
    if (node === place) place = place.nextElementSibling;
    else list.insertBefore(node, place);
  }
  const hadFocus = [...old.values()].some((node) => node.contains(document.activeElement));
  for (const node of old.values()) node.remove();
  // What had the focus is gone; going on from the top of the page would be a long way with the keyboard.
  if (hadFocus) list.closest("section, dialog")?.querySelector("h2, button")?.focus();
}

/** Show a dialog; a click beside it closes it, as Escape does by itself. */
export function openDialog(dialog) {
  dialog.onclick = (event) => {
    if (event.target === dialog) dialog.close();
  };
  if (!dialog.open) dialog.showModal();
}
