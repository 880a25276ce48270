// What was seen: the newest event ids, so that a repeat is dropped.

/** Remembers so many ids; the oldest is forgotten first. */
export class Seen {
  #ids = new Set<string>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether the id is among them. */
  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Remembers an id. */
  add(id: string): void {
    this.#ids.add(id);
    if (this.#ids.size <= this.#limit) return;
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest);
      break;
    }
  }

  /** The newest `count` ids, oldest first. */
  newest(count: number): string[] {
    return [...this.#ids].slice(-count);
  }
}
