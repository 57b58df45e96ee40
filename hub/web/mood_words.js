/** The words that moods are logged with: where each lies on the plane, and which are near. */

import { call } from "./api.js";

/**
 * @typedef {{mood: string, valence: number, arousal: number, quadrant: string}} MoodWord *valence* and *arousal*
 *   from −1 to 1
 */

const QUADRANTS = [
  ["high_pleasant", "Pleasant, with energy"],
  ["low_pleasant", "Pleasant and calm"],
  ["high_unpleasant", "Unpleasant, with energy"],
  ["low_unpleasant", "Unpleasant, with little energy"],
];

/**
 * The words by the quarters of the plane, in alphabetical order; what lies in the very middle is in none of them.
 * @param {MoodWord[]} words
 * @returns {[string, MoodWord[]][]} with titles
 */
export function byQuarter(words) {
  const sorted = [...words].sort((one, two) => one.mood.localeCompare(two.mood));
  const isMiddle = ({ valence, arousal }) => valence === 0 && arousal === 0;
  /** @type {[string, MoodWord[]][]} */
  const quarters = QUADRANTS.map(([quadrant, title]) => [title, sorted.filter((word) => word.quadrant === quadrant && !isMiddle(word))]);
  return [...quarters, ["In the middle", sorted.filter(isMiddle)]];
}

/** @returns {Promise<MoodWord[]>} the vocabulary; rejects as `call` */
export async function loadWords() {
  const { words } = await call("GET", "/v1/moods/words", { cache: "default" });
  return words;
}

/**
 * The *count* words that are nearest to a place, nearest first.
 * @param {MoodWord[]} words
 */
export function nearest(words, valence, arousal, count) {
  const distance = (word) => Math.hypot(word.valence - valence, word.arousal - arousal);
  return [...words].sort((one, two) => distance(one) - distance(two)).slice(0, count);
}

/** "Happy" */
export function capitalised(word) {
  return word.slice(0, 1).toUpperCase() + word.slice(1);
}
