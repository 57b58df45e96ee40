/**
 * What outlives the page: the place in the inbox, and hugs and moods on their way.
 *
 * Nothing here is needed to be right, only to be quick or complete: without it the client starts at the
 * head and loads the rest by REST. So storage that is full or forbidden is no error.
 */

/** @returns {import("./cursor.js").CursorStore} one place per user, shared by the windows of this browser */
export function cursorStore(userId) {
  return storeOf(localStorage, `hugmood.cursor.${userId}`, null);
}

/**
 * Per window: two windows must not send each other's hugs, nor wipe them out.
 * @returns {import("./outbox.js").OutboxStore & {clear(): void}}
 */
export function outboxStore(userId) {
  return storeOf(sessionStorage, `hugmood.outbox.${userId}`, []);
}

/**
 * One entry for each mood: windows that share them do not overwrite what another has kept.
 * @returns {import("./mood_outbox.js").MoodStore}
 */
export function moodStore(userId) {
  const prefix = `hugmood.mood.${userId}.`;
  const entry = (id) => storeOf(localStorage, `${prefix}${id}`, null);
  return {
    load() {
      const keys = Object.keys(localStorage).filter((key) => key.startsWith(prefix));
      const moods = keys.map((key) => entry(key.slice(prefix.length)).load());
      return moods.filter((mood) => mood !== null).sort((one, two) => one.madeAt - two.madeAt);
    },
    keep: (mood) => entry(mood.command.id).save(mood),
    forget: (id) => entry(id).clear(),
  };
}

function storeOf(storage, key, otherwise) {
  return {
    load() {
      try {
        return JSON.parse(storage.getItem(key)) ?? otherwise;
      } catch {
        return otherwise;
      }
    },
    save(value) {
      try {
        storage.setItem(key, JSON.stringify(value));
      } catch {
        // See above.
      }
    },
    clear() {
      storage.removeItem(key);
    },
  };
}
