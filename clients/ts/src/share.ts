// Sharing: of all pages of a browser that listen to the same, one leads and has the connection; it hands what comes to
// the others. The lead is a Web Lock, so that the browser itself passes it on when the leader goes.

import { TidingsError } from "./error.js";
import type { Received, Ready } from "./frames.js";
import type { LineState } from "./line.js";
import { sleep } from "./wait.js";

/** What pages tell each other. */
export type Told =
  /** Of the leader: a frame came. */
  | { what: "received"; received: Received }
  /** Of the leader: how its line stands. */
  | { what: "stands"; state: LineState; ready: Ready | undefined }
  /** Of a follower: is somebody there? Somebody looks at me. */
  | { what: "asks" };

/** What a page does in its two parts. */
export interface Part {
  /** Leads until the signal is aborted; a throw ends it for good. */
  lead(signal: AbortSignal): Promise<void>;
  /** Another page told something. */
  told(told: Told): void;
}

/** How often a page that is looked at asks whether its leader is still there. */
const ASK_MS = 15_000;
/** How long a leader may take to answer. Its page may be in the background, but not asleep. */
const ANSWER_MS = 5_000;

/** Takes part in the sharing of one name. */
export class Share {
  readonly #name: string;
  readonly #part: Part;
  readonly #channel: BroadcastChannel;
  #leads = false;
  #heard = false;
  #impatient: AbortController | undefined;

  constructor(name: string, part: Part) {
    this.#name = name;
    this.#part = part;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }: MessageEvent<Told>) => {
      this.#heard ||= data.what !== "asks";
      part.told(data);
    };
  }

  /** Whether this browser and this address allow it: both are only there where the page came by a safe way. */
  static possible(): boolean {
    return typeof document !== "undefined" && typeof BroadcastChannel !== "undefined" && "locks" in navigator;
  }

  /** Tells all other pages. */
  tell(told: Told): void {
    this.#channel.postMessage(told);
  }

  /** Follows, and leads when it is its turn, until the signal is aborted or leading ends for good. */
  async run(signal: AbortSignal): Promise<void> {
    const ended = new AbortController();
    const watched = this.#watch(AbortSignal.any([signal, ended.signal]));
    try {
      this.tell({ what: "asks" });
      while (!signal.aborted) await this.#turn(signal);
    } finally {
      ended.abort();
      await watched;
      this.#channel.close();
    }
  }

  /** Waits for the lead and leads, until it is given up or taken away: a page that was put to sleep loses it so. */
  async #turn(signal: AbortSignal): Promise<void> {
    const taken = new AbortController();
    const ends = AbortSignal.any([signal, taken.signal]);
    const leading = async () => {
      this.#leads = true;
      try {
        return await this.#part.lead(ends);
      } finally {
        this.#leads = false;
      }
    };
    let led = Promise.resolve();
    const request = (how: LockOptions) => navigator.locks.request(this.#name, how, () => (led = leading()));
    const impatient = (this.#impatient = new AbortController());
    try {
      await request({ signal: AbortSignal.any([signal, impatient.signal]) });
    } catch {
      // It failed while it led, or was taken away, or waited in vain: what `led` came to tells the first apart.
      taken.abort();
      if (impatient.signal.aborted && !signal.aborted) await request({ steal: true }).catch(() => taken.abort());
    }
    await led.catch((why: unknown) => {
      if (!ends.aborted || why instanceof TidingsError) throw why;
    });
  }

  /** Asks now and then whether the leader is there, and grows impatient if it is not while somebody looks at this page. */
  async #watch(signal: AbortSignal): Promise<void> {
    const follows = () => !this.#leads && document.visibilityState === "visible";
    try {
      for (;;) {
        await sleep(ASK_MS, signal);
        if (!follows()) continue;
        this.#heard = false;
        this.tell({ what: "asks" });
        await sleep(ANSWER_MS, signal);
        if (!this.#heard && follows()) this.#impatient?.abort();
      }
    } catch {
      // The signal ended it.
    }
  }
}
