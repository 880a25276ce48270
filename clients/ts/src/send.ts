// Sending: a broadcast is taken once, however often it has to be sent.

import { Client, type ClientOptions } from "./client.js";
import { TidingsError, asError } from "./error.js";
import type { Priority } from "./frames.js";
import { before, sleep } from "./wait.js";

/** A broadcast to be said. */
export interface NewBroadcast {
  /** What it says, as plain text. */
  content: string;
  /** Who it is for. */
  target: { type: "all" } | { type: "role" | "group" | "selected"; ids: readonly string[] };
  title?: string;
  /** Anything the application's own client wants to know. */
  data?: unknown;
  /** Where a click leads. */
  action_url?: string;
  priority?: Priority;
  /** What people can mute. */
  category?: string;
  /** When it becomes active; at once where it is absent. */
  scheduled_at?: string;
  /** When it is no longer delivered; 30 days where it is absent. */
  expires_at?: string;
}

/** A broadcast that was saved and is on its way. */
export interface Broadcast {
  id: string;
  status: "scheduled" | "active" | "expired" | "cancelled" | "failed";
  created_at: string;
  expires_at: string;
  /** What to know about it: people whom the directory does not know. */
  warnings?: string[];
}

/** How to send. */
export interface SendOptions {
  /** The `Idempotency-Key`; a random one where it is absent. The same key later gives the one true outcome. */
  idempotencyKey?: string;
  /** How often it is sent at most. */
  tries?: number;
  /** Ends it early. */
  signal?: AbortSignal;
}

/** How often it is sent at most, unless said otherwise: some fifteen seconds of trying. */
const TRIES = 6;

/**
 * Says something to an audience. What may pass (no connection, 5xx) is tried again with the same key; what is refused
 * rejects at once. Where all tries failed the outcome is unknown, and the error has the key to ask with.
 */
export async function send(options: ClientOptions, said: NewBroadcast, how: SendOptions = {}): Promise<Broadcast> {
  const client = new Client(options);
  const { idempotencyKey = randomKey(), tries = TRIES, signal = new AbortController().signal } = how;
  const headers = { "idempotency-key": idempotencyKey };
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await client.json("/api/v1/broadcasts", { method: "POST", body: said, headers, signal });
    } catch (cause) {
      const why = asError(cause);
      if (!why.final) why.idempotencyKey = idempotencyKey;
      if (why.final || signal.aborted || attempt + 1 >= tries) throw signal.aborted ? unknown(why, idempotencyKey) : why;
      await sleep(before(attempt, why.retryAfterMs, Math.random), signal).catch(() => undefined);
    }
  }
}

function unknown(cause: TidingsError, idempotencyKey: string): TidingsError {
  const error = new TidingsError("timeout", "sending was ended before its outcome was known", { cause });
  error.idempotencyKey = idempotencyKey;
  return error;
}

/** By the generator that is there on every page; `randomUUID` is not. */
function randomKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
