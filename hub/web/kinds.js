/** The kinds of hugs, in words. The hub may know more: those are shown by their own name. */

const KINDS = new Map([
  ["quick", { label: "Quick", phrase: "a quick hug" }],
  ["warm", { label: "Warm", phrase: "a warm hug" }],
  ["bear", { label: "Bear", phrase: "a big bear hug" }],
  ["side", { label: "Side", phrase: "a side hug" }],
  ["comfort", { label: "Comfort", phrase: "a comforting hug" }],
  ["celebration", { label: "Celebration", phrase: "a celebration hug" }],
  ["goodnight", { label: "Goodnight", phrase: "a goodnight hug" }],
]);

/** What can be chosen, in this order: `[kind, label]`. */
export const CHOICES = [...KINDS].map(([kind, { label }]) => [kind, label]);

/** "a warm hug" */
export function phraseOf(kind) {
  return KINDS.get(kind)?.phrase ?? `a ${kind} hug`;
}

/** "Warm hug" */
export function titleOf(kind) {
  return `${KINDS.get(kind)?.label ?? kind} hug`;
}

/** The name of its picture in the sprite. */
export function iconOf(kind) {
  return `kind-${KINDS.has(kind) || kind === "group" ? kind : "warm"}`;
}
