// A line is what keeps one session's stream open: it connects, comes back after a cut, and renews the token in time.

import type { Client } from "./client.js";
import { TidingsError, asError } from "./error.js";
import type { Received } from "./frames.js";
import { Stream, type Place } from "./stream.js";
import { before, sleep } from "./wait.js";

/** How a line stands. */
export type LineState =
  /** It asks for a stream. */
  | "connecting"
  /** The stream is open. */
  | "live"
  /** It waits before it comes back. */
  | "waiting";

/** Who a line works for. */
export interface LineHost {
  /** From where the next stream goes on. */
  place(): Place;
  /** A frame came. The next is read when this resolves. */
  received(received: Received): Promise<void>;
  /** How the line stands now, and why it waits. */
  stands(state: LineState, why?: TidingsError): void;
}

/** A share of the bearable silence after which a page that is looked at again does not trust its stream. */
const DOUBTFUL = 0.5;

/** Keeps one stream open. */
export class Line {
  readonly #client: Client;
  readonly #channels: readonly string[];
  readonly #host: LineHost;
  readonly #now: () => number;
  readonly #random: () => number;
  #stream: Stream | undefined;
  #waiting: AbortController | undefined;

  constructor(
    client: Client,
    channels: readonly string[],
    host: LineHost,
    { now, random }: { now: () => number; random: () => number },
  ) {
    this.#client = client;
    this.#channels = channels;
    this.#host = host;
    this.#now = now;
    this.#random = random;
  }

  /** Listens until coming back does not help, which it throws, or until the signal is aborted. */
  async run(signal: AbortSignal): Promise<never> {
    for (let attempt = 0; ; attempt += 1) {
      const progress = { ready: false, askedMs: undefined as number | undefined };
      let why: TidingsError;
      try {
        await this.#listen(progress, signal);
        why = new TidingsError("ended", "the stream ended");
      } catch (cause) {
        signal.throwIfAborted();
        why = asError(cause);
      }
      if (why.final) throw why;
      if (progress.ready) attempt = 0;
      this.#host.stands("waiting", why);
      await this.#wait(before(attempt, why.retryAfterMs ?? progress.askedMs, this.#random), signal);
    }
  }

  /** Comes back at once if it waits: the network is there again, or somebody looks at the page. */
  wake(): void {
    this.#waiting?.abort(WOKEN);
  }

  /** The device was elsewhere for a while: a stream that has been silent since is not trusted. */
  doubt(): void {
    this.wake();
    if ((this.#stream?.silence() ?? 0) > DOUBTFUL) this.networkChanged();
  }

  /** Connections of the network that was are dead, though nobody told us. */
  networkChanged(): void {
    this.wake();
    this.#stream?.cut(new TidingsError("unreachable", "the network changed", { retryAfterMs: 0 }));
  }

  async #listen(progress: { ready: boolean; askedMs: number | undefined }, signal: AbortSignal): Promise<void> {
    this.#host.stands("connecting");
    const stream = (this.#stream = new Stream(this.#client, this.#now));
    const ended = new AbortController();
    try {
      for await (const received of stream.frames(this.#host.place(), this.#channels, signal)) {
        progress.askedMs = stream.retryMs;
        const { frame } = received;
        if (frame?.type === "ready") {
          progress.ready = true;
          this.#host.stands("live");
        }
        if (frame?.type === "shutdown") progress.askedMs = frame.data.reconnect_ms;
        if (frame?.type === "token.expiring") {
          void this.#renew(Date.parse(frame.data.expires_at), ended.signal);
        }
        await this.#host.received(received);
        if (frame?.type === "shutdown") {
          throw new TidingsError("shutdown", "the server stops", { retryAfterMs: frame.data.reconnect_ms });
        }
      }
    } finally {
      ended.abort();
      this.#stream = undefined;
    }
  }

  /** Gets a new token and hands it to the open stream; tries again until the old one ends. */
  async #renew(endsAt: number, signal: AbortSignal): Promise<void> {
    const { session } = this.#host.place();
    if (!this.#client.tokens.renewable || session === undefined) return;
    for (let attempt = 0; this.#now() < endsAt && !signal.aborted; attempt += 1) {
      try {
        const token = await this.#client.tokens.ask("expiring");
        const path = `/api/v1/sessions/${encodeURIComponent(session)}/renew`;
        await this.#client.json(path, { method: "POST", token, signal });
        return;
      } catch (cause) {
        // A refusal that stands is told by the stream's end, which the old token brings.
        const why = asError(cause);
        if (why.final || signal.aborted) return;
        await sleep(before(attempt, why.retryAfterMs, this.#random), signal).catch(() => undefined);
      }
    }
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    const waiting = (this.#waiting = new AbortController());
    try {
      await sleep(ms, AbortSignal.any([signal, waiting.signal]));
    } catch (why) {
      if (why !== WOKEN) throw why;
    } finally {
      this.#waiting = undefined;
    }
  }
}

const WOKEN = new Error("woken");
