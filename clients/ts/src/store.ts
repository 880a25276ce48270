// Where a device keeps its cursor: in IndexedDB in a browser, in memory elsewhere, or wherever the application says.

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

const DATABASE = "tidings";
const DEVICES = "devices";

/**
 * Keeps it in the browser, for all pages of the origin. Where the browser gives no room (a private window, a full
 * disk), it is memory until the page goes: what is pending is then sent again, and nothing is lost.
 */
export class IndexedDbStore implements CursorStore {
  readonly #memory = new MemoryStore();
  #opening: Promise<IDBDatabase> | undefined;

  async load(key: string): Promise<Kept | undefined> {
    try {
      const devices = (await this.#open()).transaction(DEVICES).objectStore(DEVICES);
      return (await done(devices.get(key))) as Kept | undefined;
    } catch {
      return await this.#memory.load(key);
    }
  }

  async save(key: string, kept: Kept): Promise<void> {
    try {
      const devices = (await this.#open()).transaction(DEVICES, "readwrite").objectStore(DEVICES);
      await done(devices.put(kept, key));
    } catch {
      await this.#memory.save(key, kept);
    }
  }

  async #open(): Promise<IDBDatabase> {
    this.#opening ??= new Promise((resolve, reject) => {
      const asked = indexedDB.open(DATABASE, 1);
      asked.onupgradeneeded = () => asked.result.createObjectStore(DEVICES);
      asked.onsuccess = () => {
        // Another page may bring a newer form; it must not wait for this one.
        asked.result.onversionchange = () => this.#close(asked.result);
        asked.result.onclose = () => (this.#opening = undefined);
        resolve(asked.result);
      };
      asked.onerror = () => reject(asked.error);
      asked.onblocked = () => reject(new Error("an older page holds the database"));
    });
    return await this.#opening;
  }

  #close(database: IDBDatabase): void {
    database.close();
    this.#opening = undefined;
  }
}

function done<Value>(asked: IDBRequest<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}
