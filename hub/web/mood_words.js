/** The words that moods are logged with: where each lies on the plane, and which are near. */

import { call } from "./api.js";

/**
 * @typedef {{mood: string, valence: number, arousal: number, quadrant: string}} MoodWord *valence* and *arousal*
 *   from −1 to 1
 */

/** The quarters of the plane, in the order in which they are told. */
export const QUADRANTS = [
  ["high_pleasant", "Pleasant, with energy"],
  ["low_pleasant", "Pleasant and calm"],
  ["high_unpleasant", "Unpleasant, with energy"],
  ["low_unpleasant", "Unpleasant, with little energy"],
];

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
