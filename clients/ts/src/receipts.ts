// Receipts tell the server what this device has: the newest cursor, at most once a second.

import type { Client } from "./client.js";
import { asError } from "./error.js";
import { before, sleep } from "./wait.js";

/** The shortest pause between two receipts. */
const PAUSE_MS = 1000;

/** Confirms cursors of one session. A cursor confirms all before it, so only the newest is sent. */
export class Receipts {
  readonly #client: Client;
  readonly #random: () => number;
  #due: { cursor: string; session: string | undefined } | undefined;
  #sending: Promise<void> | undefined;
  readonly #closed = new AbortController();

  constructor(client: Client, random: () => number) {
    this.#client = client;
    this.#random = random;
  }

  /** Everything up to the cursor was handled. */
  confirm(cursor: string, session: string | undefined): void {
    this.#due = { cursor, session };
    this.#sending ??= this.#send();
  }

  /** What was confirmed before is of a log that is no more, or was brought along by a reconnect. */
  forget(): void {
    this.#due = undefined;
  }

  /** Sends what is due at once. */
  async flush(): Promise<void> {
    const due = this.#due;
    this.#due = undefined;
    if (due) await this.#post(due).catch(() => undefined);
  }

  /** Sends what is due, and ends. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#sending;
    await this.flush();
  }

  async #send(): Promise<void> {
    const { signal } = this.#closed;
    let attempt = 0;
    while (this.#due && !signal.aborted) {
      const due = this.#due;
      let pause = PAUSE_MS;
      try {
        await this.#post(due);
        attempt = 0;
        if (this.#due === due) this.#due = undefined;
      } catch (cause) {
        const why = asError(cause);
        // What the server will never take is given up: the next cursor, or the next stream, confirms as much.
        if (why.final && this.#due === due) this.#due = undefined;
        if (!why.final) pause = Math.max(PAUSE_MS, before(attempt, why.retryAfterMs, this.#random));
        attempt += 1;
      }
      await sleep(pause, signal).catch(() => undefined);
    }
    // Here and not a turn later: what is confirmed next must find that nobody sends.
    this.#sending = undefined;
  }

  async #post(receipt: object): Promise<void> {
    // It is sent on if the page goes away meanwhile.
    await this.#client.request("/api/v1/receipts", { method: "POST", body: receipt, keepalive: true });
  }
}
