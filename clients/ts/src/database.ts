// A database of the browser, with one store: for all pages of the origin, and it outlives them.

/** Opens when it is first asked. Rejects where the browser gives no room: a private window, a full disk. */
export class Database {
  readonly #name: string;
  readonly #store: string;
  #opening: Promise<IDBDatabase> | undefined;

  constructor(name: string, store: string) {
    this.#name = name;
    this.#store = store;
  }

  /** Reads from the store. */
  async read<Value>(ask: (store: IDBObjectStore) => IDBRequest<Value>): Promise<Value> {
    const database = await this.#open();
    return await done(ask(database.transaction(this.#store).objectStore(this.#store)));
  }

  /** Changes the store; resolves when the change is there for good. */
  async write<Value>(change: (store: IDBObjectStore) => IDBRequest<Value>): Promise<void> {
    const database = await this.#open();
    const transaction = database.transaction(this.#store, "readwrite");
    change(transaction.objectStore(this.#store));
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
    });
  }

  async #open(): Promise<IDBDatabase> {
    this.#opening ??= new Promise((resolve, reject) => {
      const asked = indexedDB.open(this.#name, 1);
      asked.onupgradeneeded = () => asked.result.createObjectStore(this.#store);
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
