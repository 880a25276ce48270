// Listening: frames as they come, each once, across cuts, restarts and drains, with one connection per browser.

import { Client, type ClientOptions } from "./client.js";
import { Device } from "./device.js";
import { TidingsError, asError } from "./error.js";
import type { Frame, Ready, Received } from "./frames.js";
import { Line, type LineState } from "./line.js";
import { watchPage } from "./page.js";
import { personOf } from "./person.js";
import { Queue } from "./queue.js";
import { Receipts } from "./receipts.js";
import { Share, type Told } from "./share.js";
import { type CursorStore, IndexedDbStore, MemoryStore } from "./store.js";

/** How a listener stands: as its line does, or ended for good. */
export type ListenState = LineState | "ended";

/** What to listen to, and who is given it. */
export interface ListenOptions<Own = unknown> extends ClientOptions {
  /** Only these of one's channels: `role:editor`, `app:stock` … All where it is absent. */
  channels?: readonly string[];
  /** The name of this device's session, 1–64 characters; the server names it where it is absent. */
  session?: string;
  /** Where the cursor is kept: in a browser IndexedDB, elsewhere the memory of this listener, unless said otherwise. */
  store?: CursorStore;
  /** Whether the pages of a browser share one connection: yes, where the browser can. */
  share?: boolean;
  /**
   * Is given each frame, one after the other; the next comes, and the cursor moves, when it has resolved. If it throws,
   * the listener ends with that. Where it is absent, iterate the listener.
   */
  onFrame?: (frame: Frame<Own>) => void | Promise<void>;
  /** Is told how the listener stands, and what went wrong where it waits or has ended. */
  onState?: (state: ListenState, why?: TidingsError) => void;
}

/**
 * A stream that comes back by itself. Iterate it, or be called back. Asking for the next frame says that the one before
 * was handled; leaving the loop closes the listener, and the frame at which it was left comes again another time.
 */
export interface Listener<Own = unknown> extends AsyncIterable<Frame<Own>> {
  /** How it stands. */
  readonly state: ListenState;
  /** Resolves when it is closed; rejects with what ended it for good. */
  readonly ended: Promise<void>;
  /** Confirms what was handled, and ends it. */
  close(): Promise<void>;
}

/** Listens to everything that is meant for the caller. */
export function listen<Own = unknown>(options: ListenOptions<Own>): Listener<Own> {
  return new Listening<Own>(options);
}

/** Frames that may wait for whoever handles them. */
const QUEUE = 1000;
const BY_CHANCE = { now: Date.now, random: Math.random };

/** A frame that waits to be handled; `term` counts the times that this page led, and is absent where another does. */
interface Waiting {
  received: Received;
  term?: number;
}

/** A frame on its way to who iterates, or the end of all. */
type Handing = { frame: Frame; handled: () => void } | { over: true; why?: unknown };

class Listening<Own> implements Listener<Own> {
  state: ListenState = "connecting";
  readonly ended: Promise<void>;
  readonly #options: ListenOptions<Own>;
  readonly #client: Client;
  readonly #receipts: Receipts;
  readonly #queue = new Queue<Waiting>(QUEUE);
  readonly #handing = new Queue<Handing>(1);
  readonly #closed = new AbortController();
  #device: Device | undefined;
  #share: Share | undefined;
  #line: Line | undefined;
  #term = 0;
  #ready: Ready | undefined;

  constructor(options: ListenOptions<Own>) {
    this.#options = options;
    this.#client = new Client(options);
    this.#receipts = new Receipts(this.#client, BY_CHANCE.random);
    this.ended = this.#run();
    // Who iterates or is called back learns of it there.
    this.ended.catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.ended.catch(() => undefined);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Frame<Own>, void> {
    if (this.#options.onFrame) {
      throw new TidingsError("usage", "iterate, or give `onFrame`, not both", { final: true });
    }
    try {
      for (;;) {
        const handing = await this.#handing.take();
        if ("over" in handing) {
          // It stays the last word, whoever asks again.
          this.#handing.offer(handing);
          if (handing.why !== undefined) throw handing.why;
          return;
        }
        // What the application's own types say is its word; nobody here knows better.
        yield handing.frame as Frame<Own>;
        handing.handled();
      }
    } finally {
      this.#closed.abort();
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#closed;
    let failed: { why: unknown } | undefined;
    let led: Promise<unknown> | undefined;
    try {
      const user = await personOf(this.#client, signal, (why) => this.#stands("waiting", why));
      const device = (this.#device = this.#open(user));
      const host = {
        seen: () => this.#seen(),
        online: () => this.#line?.networkChanged(),
        leaves: () => void this.#receipts.flush(),
      };
      watchPage(host, signal);
      led = this.#share ? this.#share.run(signal) : this.#lead(device, user, signal);
      await Promise.race([led, this.#handle(device)]);
    } catch (why) {
      if (!signal.aborted) failed = { why };
    }
    this.#closed.abort();
    await led?.catch(() => undefined);
    await this.#receipts.close();
    this.#client.tokens.forget();
    await this.#device?.saved();
    this.#stands("ended", failed && asError(failed.why));
    this.#handing.clear();
    this.#handing.offer({ over: true, ...failed });
    if (failed) throw failed.why;
  }

  #open(user: string | undefined): Device {
    const { channels = [], share = true, store } = this.#options;
    const key = `${this.#client.base} ${user ?? ""} ${[...channels].sort().join(",")}`;
    // A token that names nobody shares nothing with anybody.
    const lasting = user !== undefined && typeof indexedDB !== "undefined";
    if (share && user !== undefined && Share.possible()) {
      const lead = (ends: AbortSignal) => this.#lead(device, user, ends);
      this.#share = new Share(`tidings ${key}`, { lead, told: (told) => this.#told(told) });
    }
    const device = new Device(key, store ?? (lasting ? new IndexedDbStore() : new MemoryStore()), this.#receipts);
    return device;
  }

  /** Has the connection until the signal is aborted, or coming back does not help. */
  async #lead(device: Device, user: string | undefined, signal: AbortSignal): Promise<void> {
    const term = (this.#term += 1);
    const waiting = () => this.#queue.waiting().flatMap(({ received: { id } }) => (id === undefined ? [] : [id]));
    await device.load(this.#options.session, waiting);
    const host = {
      place: () => device.place,
      stands: (state: LineState, why?: TidingsError) => this.#leads(state, why),
      received: async (received: Received) => {
        const { frame } = received;
        if (frame?.type === "ready") {
          if (user !== undefined && frame.data.user_id !== user) throw otherUser(frame.data.user_id, user);
          device.isSession(frame.data.session_id);
          this.#ready = frame.data;
          received = { ...received, ...cursorOf(frame.data) };
        }
        this.#share?.tell({ what: "received", received });
        await this.#queue.push({ received, term });
      },
    };
    try {
      this.#line = new Line(this.#client, this.#options.channels ?? [], host, BY_CHANCE);
      await this.#line.run(signal);
    } finally {
      this.#line = undefined;
      // What is still to be handled is the next leader's to keep.
      this.#term += 1;
    }
  }

  /** Handles frames one after the other, whoever they came through. */
  async #handle(device: Device): Promise<never> {
    for (;;) {
      const { received, term } = await this.#queue.take();
      if (received.frame && !device.hasSeen(received.id)) {
        await this.#give(received.frame);
        device.saw(received.id);
      }
      if (term === this.#term) device.handled(received);
    }
  }

  async #give(frame: Frame): Promise<void> {
    const { onFrame } = this.#options;
    if (onFrame) await onFrame(frame as Frame<Own>);
    else await new Promise<void>((handled) => void this.#handing.push({ frame, handled }));
  }

  /** Another page of this browser told something. */
  #told(told: Told): void {
    if (told.what === "asks") {
      if (!this.#line) return;
      this.#line.doubt();
      if (this.state !== "ended") this.#share?.tell({ what: "stands", state: this.state, ready: this.#ready });
    } else if (told.what === "stands") {
      this.#stands(told.state);
      if (told.ready && !this.#ready) this.#follow({ frame: { type: "ready", data: missed(told.ready, "joined") } });
      this.#ready = told.ready ?? this.#ready;
    } else {
      if (told.received.frame?.type === "ready") this.#ready = told.received.frame.data;
      this.#follow(told.received);
    }
  }

  /** Takes what the leader handed on. Who does not take it loses it, and is told. */
  #follow(received: Received): void {
    if (this.#queue.offer({ received })) return;
    this.#queue.clear();
    if (this.#ready) this.#queue.offer({ received: { frame: { type: "ready", data: missed(this.#ready, "slow") } } });
    this.#queue.offer({ received });
  }

  #leads(state: LineState, why?: TidingsError): void {
    this.#stands(state, why);
    this.#share?.tell({ what: "stands", state, ready: this.#ready });
  }

  #seen(): void {
    this.#line?.doubt();
    this.#share?.tell({ what: "asks" });
  }

  #stands(state: ListenState, why?: TidingsError): void {
    if (state === this.state && why === undefined) return;
    this.state = state;
    this.#options.onState?.(state, why);
  }
}

/** Where `ready` leaves the cursor: what was held holds on while a catch-up from it runs. */
function cursorOf({ recovered, cursor }: Ready): { cursor?: string | null } {
  return recovered && cursor === null ? {} : { cursor };
}

function missed(ready: Ready, reason: "joined" | "slow"): Ready {
  return { ...ready, recovered: false, reason };
}

function otherUser(now: string, before: string): TidingsError {
  const sentence = `the token is ${now}'s, and this listener is ${before}'s; close it and listen anew`;
  return new TidingsError("other_user", sentence, { final: true });
}
