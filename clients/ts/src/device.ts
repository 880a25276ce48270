// A device is one person in one browser or process: the name of its session, and how far it has come.

import type { Receipts } from "./receipts.js";
import { Seen } from "./seen.js";
import type { CursorStore, Kept } from "./store.js";
import type { Place } from "./stream.js";

/** Event ids that are remembered, so that a catch-up which is cut and sent again shows nothing twice. */
const SEEN = 65_536;
/** Those of them that outlive the page: as many as a catch-up without a cursor can bring, and some. */
const KEPT = 512;

/** Knows what was handled, and keeps it where it leads. */
export class Device {
  readonly #key: string;
  readonly #store: CursorStore;
  readonly #receipts: Receipts;
  readonly #seen = new Seen(SEEN);
  #place: Place = {};
  #unconfirmed = false;
  #dirty = false;
  #saving: Promise<void> | undefined;

  constructor(key: string, store: CursorStore, receipts: Receipts) {
    this.#key = key;
    this.#store = store;
    this.#receipts = receipts;
  }

  /** From where a stream goes on. */
  get place(): Readonly<Place> {
    return this.#place;
  }

  /**
   * Takes over where the device was left. What it had seen is known from now on, but for what waits here to be handled:
   * that came to this page from the one that saw it.
   */
  async load(session: string | undefined, waiting: () => Iterable<string>): Promise<void> {
    const kept = await this.#store.load(this.#key);
    const own = session === undefined || session === kept?.session;
    const name = session ?? kept?.session;
    this.#place = name === undefined ? {} : { session: name };
    if (own && kept?.cursor !== undefined) this.#place.cursor = kept.cursor;
    const here = new Set(waiting());
    for (const id of kept?.seen ?? []) if (!here.has(id)) this.#seen.add(id);
  }

  /** The server named the session. */
  isSession(session: string): void {
    this.#place.session = session;
  }

  /** Whether an event is a repeat. */
  hasSeen(id: string | undefined): boolean {
    return id !== undefined && this.#seen.has(id);
  }

  /** An event was handled, here or where this page follows. Not before: what is seen is never given again. */
  saw(id: string | undefined): void {
    if (id !== undefined) this.#seen.add(id);
  }

  /** A frame was handled: the cursor moves, is kept, and is confirmed if there was something to confirm. */
  handled({ id, cursor }: { id?: string; cursor?: string | null }): void {
    if (id !== undefined) this.#unconfirmed = true;
    if (cursor === null) {
      delete this.#place.cursor;
      this.#receipts.forget();
    } else if (cursor !== undefined) {
      this.#place.cursor = cursor;
      // A beat of a quiet session confirms nothing new.
      if (this.#unconfirmed) this.#receipts.confirm(cursor, this.#place.session);
      this.#unconfirmed = false;
    }
    this.#dirty = true;
    this.#saving ??= this.#save();
  }

  /** Resolves when everything that was handled is kept. */
  async saved(): Promise<void> {
    await this.#saving;
  }

  async #save(): Promise<void> {
    while (this.#dirty) {
      this.#dirty = false;
      const kept: Kept = { ...this.#place, seen: this.#seen.newest(KEPT) };
      // A store that fails costs a repeat after the next start, and no frame.
      await this.#store.save(this.#key, kept).catch(() => undefined);
    }
    // Here and not a turn later: what is handled next must find that nobody saves.
    this.#saving = undefined;
  }
}
