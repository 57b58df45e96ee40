/**
 * What outlives the page: the place in the inbox, and hugs on their way.
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
