// Where a device keeps its cursor: in IndexedDB in a browser, in memory elsewhere, or wherever the application says.

import { Database } from "./database.js";

/** What a device keeps. */
export interface Kept {
  /** The name of its session. */
  session?: string;
  /** Everything up to here was handled. */
  cursor?: string;
  /** The newest event ids that were handled, oldest first. */
  seen: string[];
}

/** Keeps what devices know across restarts. Keys name a server, a person, and what they narrow their channels to. */
export interface CursorStore {
  load(key: string): Promise<Kept | undefined>;
  save(key: string, kept: Kept): Promise<void>;
}

/** Forgets everything with the process. */
export class MemoryStore implements CursorStore {
  readonly #kept = new Map<string, Kept>();

  async load(key: string): Promise<Kept | undefined> {
    return this.#kept.get(key);
  }

  async save(key: string, kept: Kept): Promise<void> {
    this.#kept.set(key, kept);
  }
}

/**
 * Keeps it in the browser, for all pages of the origin. Where the browser gives no room (a private window, a full
 * disk), it is memory until the page goes: what is pending is then sent again, and nothing is lost.
 */
export class IndexedDbStore implements CursorStore {
  readonly #memory = new MemoryStore();
  readonly #database = new Database("tidings", "devices");

  async load(key: string): Promise<Kept | undefined> {
    try {
      return (await this.#database.read((devices) => devices.get(key))) as Kept | undefined;
    } catch {
      return await this.#memory.load(key);
    }
  }

  async save(key: string, kept: Kept): Promise<void> {
    try {
      await this.#database.write((devices) => devices.put(kept, key));
    } catch {
      await this.#memory.save(key, kept);
    }
  }
}
