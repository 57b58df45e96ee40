/**
 * The place of this client in its user's inbox.
 *
 * Invariant: `seq` is what the app was handed, without gap; what is saved never runs ahead of it, so a
 * page that dies is told again rather than not at all.
 */

/** What to do with a durable event. */
export const Place = Object.freeze({ NEXT: "next", DUPLICATE: "duplicate", GAP: "gap" });

/**
 * @typedef {{epoch: string, seq: number}} Saved
 * @typedef {{load(): Saved | null, save(saved: Saved): void}} CursorStore
 */

export class Cursor {
  /** @type {number | undefined} */
  seq;
  /** @type {string | undefined} */
  epoch;
  /** The last `seq` the hub was told we have. */
  acked = 0;
  /** Until the app has loaded its state anew, nothing after it counts as held. */
  isHeld = false;
  #store;

  /** @param {CursorStore} store */
  constructor(store) {
    this.#store = store;
    const saved = store.load();
    this.seq = saved?.seq;
    this.epoch = saved?.epoch;
  }

  /** @returns {{after?: number, epoch?: string}} what `hello` says */
  get resumption() {
    return this.seq === undefined ? {} : { after: this.seq, epoch: this.epoch };
  }

  /**
   * The hub could not go on from where we were: its events start after *head*. The app's state is
   * to be loaded before `release`.
   */
  restart(epoch, head) {
    this.epoch = epoch;
    this.seq = head;
    this.acked = 0;
    this.isHeld = true;
  }

  /** The hub goes on from where we were, and knows of acks up to *acked*. */
  resume(epoch, acked) {
    this.epoch = epoch;
    this.acked = acked;
  }

  /** The app has its state again. */
  release() {
    this.isHeld = false;
    this.#save();
  }

  /** @returns {string} one of `Place` */
  place(seq) {
    if (seq <= this.seq) return Place.DUPLICATE;
    return seq === this.seq + 1 ? Place.NEXT : Place.GAP;
  }

  /** The app was handed event *seq*. */
  advance(seq) {
    this.seq = seq;
    if (!this.isHeld) this.#save();
  }

  /** How many events the hub waits to hear of. */
  get unacked() {
    return this.isHeld || this.seq === undefined ? 0 : Math.max(0, this.seq - this.acked);
  }

  #save() {
    this.#store.save({ epoch: this.epoch, seq: this.seq });
  }
}
