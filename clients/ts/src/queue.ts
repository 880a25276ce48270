// A queue between who reads a stream and who handles its frames: bounded, so that a slow handler slows the reader.

/** Holds so many entries at most. */
export class Queue<Entry> {
  readonly #limit: number;
  #entries: Entry[] = [];
  #wanted: ((entry: Entry) => void)[] = [];
  #room: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Puts an entry in; false if it is full, and the entry was not taken. */
  offer(entry: Entry): boolean {
    const wanted = this.#wanted.shift();
    if (wanted) wanted(entry);
    else if (this.#entries.length >= this.#limit) return false;
    else this.#entries.push(entry);
    return true;
  }

  /** Puts an entry in, once there is room. */
  async push(entry: Entry): Promise<void> {
    while (!this.offer(entry)) await new Promise<void>((room) => this.#room.push(room));
  }

  /** The oldest entry, once there is one. */
  async take(): Promise<Entry> {
    const entry = this.#entries.shift();
    if (entry === undefined) return await new Promise((wanted) => this.#wanted.push(wanted));
    this.#room.shift()?.();
    return entry;
  }

  /** What waits, oldest first. */
  waiting(): readonly Entry[] {
    return this.#entries;
  }

  /** Lets go of everything that waits. */
  clear(): void {
    this.#entries = [];
    for (const room of this.#room.splice(0)) room();
  }
}
