// One stream: opened once, read until it ends.
//
// It is server-sent events read through `fetch`, neither `EventSource` nor WebSocket: the token travels in a header and
// never in a URL, and a refusal is a problem that can be read, with the server's word when to come back. All that a
// client has to say beside it is a receipt a second at most, which a request carries just as well.

import type { Client } from "./client.js";
import { TidingsError } from "./error.js";
import { type Received, read } from "./frames.js";
import { Parser } from "./sse.js";

/** From where a stream goes on. */
export interface Place {
  /** Which device; the server makes a new session where it is absent. */
  session?: string;
  /** After which cursor; what is pending comes first where it is absent. */
  cursor?: string;
}

/** How long the server may take to say `ready`. */
const READY_MS = 30_000;
/** The shortest silence that ends a stream. */
const SILENCE_MIN_MS = 10_000;
/** Heartbeats that may be missing. */
const MISSED_HEARTBEATS = 3;

/** An open stream. */
export class Stream {
  /** How long the server wants to be left alone after a cut, in milliseconds, once it said so. */
  retryMs: number | undefined;
  readonly #client: Client;
  readonly #now: () => number;
  readonly #cut = new AbortController();
  #silenceMs = READY_MS;
  /** Since when the next piece is waited for; absent while nobody does. */
  #waitingSince: number | undefined;

  constructor(client: Client, now: () => number) {
    this.#client = client;
    this.#now = now;
  }

  /** Ends it as a network would; who reads it is told why. */
  cut(why: TidingsError): void {
    this.#cut.abort(why);
  }

  /** How long nothing came, as a share of what is borne. */
  silence(): number {
    return this.#waitingSince === undefined ? 0 : (this.#now() - this.#waitingSince) / this.#silenceMs;
  }

  /** Opens the stream and reads it; the first frame is `ready`. Ends by throwing, always. */
  async *frames(place: Place, channels: readonly string[], signal: AbortSignal): AsyncGenerator<Received, never> {
    const asked = { signal: AbortSignal.any([signal, this.#cut.signal]), headers: headersOf(place) };
    const answer = await this.#client.request(`/api/v1/stream${queryOf(place, channels)}`, asked);
    const media = answer.headers.get("content-type") ?? "";
    // 204 is how a server asks a client to stay away.
    if (answer.status === 204) throw new TidingsError("ended", "the server asks not to come back", { final: true });
    if (!media.startsWith("text/event-stream") || answer.body === null) {
      await answer.body?.cancel();
      throw new TidingsError("undocumented", `the stream is \`${media}\``);
    }
    const [reader, text, parser] = [answer.body.getReader(), new TextDecoder("utf-8", { ignoreBOM: true }), new Parser()];
    const watch = setInterval(() => {
      if (this.silence() >= 1) this.cut(silent(this.#silenceMs));
    }, 1000);
    try {
      for (;;) {
        this.#waitingSince = this.#now();
        const piece = await reader.read();
        this.#waitingSince = undefined;
        if (piece.done) throw new TidingsError("ended", "the stream ended");
        for (const block of parser.push(text.decode(piece.value, { stream: true }))) {
          this.retryMs = parser.retryMs ?? this.retryMs;
          const received = read(block);
          if (received.frame?.type === "ready") {
            const beat = received.frame.data.heartbeat_secs * 1000;
            this.#silenceMs = Math.max(beat * MISSED_HEARTBEATS, SILENCE_MIN_MS);
          }
          yield received;
        }
      }
    } catch (cause) {
      asked.signal.throwIfAborted();
      if (cause instanceof TidingsError) throw cause;
      throw new TidingsError("unreachable", "the stream was cut", { cause });
    } finally {
      clearInterval(watch);
      this.#cut.abort(new TidingsError("ended", "the stream is no longer read"));
    }
  }
}

function headersOf({ cursor }: Place): Record<string, string> {
  const accept = { accept: "text/event-stream" };
  return cursor === undefined ? accept : { ...accept, "last-event-id": cursor };
}

function queryOf({ session }: Place, channels: readonly string[]): string {
  const query = new URLSearchParams();
  if (session !== undefined) query.set("session", session);
  if (channels.length > 0) query.set("channels", channels.join(","));
  return query.size > 0 ? `?${query}` : "";
}

function silent(ms: number): TidingsError {
  return new TidingsError("silent", `nothing came for ${Math.round(ms / 1000)} s, not even a heartbeat`);
}
