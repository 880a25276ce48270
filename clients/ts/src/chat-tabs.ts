// Pages of one browser that show the same person's chat tell each other what only one of them did.

import type { Said } from "./chat-messages.js";
import type { Answered } from "./outbox.js";
import { Share } from "./share.js";

/** What they tell. */
export type TabTold =
  /** Something is on its way, or was refused. */
  | { what: "said"; said: Said }
  /** The server has it. */
  | { what: "answered"; said: Said; answer: Answered }
  /** What was refused is let go. */
  | { what: "dropped"; conversation: string; clientId: string }
  /** A conversation was read up to a number. */
  | { what: "read"; conversation: string; upTo: number };

/** Who is told. */
export interface TabHost {
  said(said: Said): void;
  answered(said: Said, answer: Answered): void;
  dropped(conversation: string, clientId: string): void;
  read(conversation: string, upTo: number): void;
}

/** The other pages of one name. */
export class Tabs {
  readonly #channel: BroadcastChannel;
  #open = true;

  constructor(name: string, host: TabHost) {
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }: MessageEvent<TabTold>) => {
      if (data.what === "said") host.said(data.said);
      else if (data.what === "answered") host.answered(data.said, data.answer);
      else if (data.what === "dropped") host.dropped(data.conversation, data.clientId);
      else host.read(data.conversation, data.upTo);
    };
  }

  /** Whether there can be others. */
  static possible(): boolean {
    return Share.possible();
  }

  /** Tells all other pages, unless this one has left them. */
  tell(told: TabTold): void {
    if (this.#open) this.#channel.postMessage(told);
  }

  close(): void {
    this.#open = false;
    this.#channel.close();
  }
}
