// An open conversation: its history, page by page, and what is said in it, kept up by the stream.

import type { Client } from "./client.js";
import { type ChatMessage, type MessageBody, type MessageStatus, type Messages, NOTHING, type Said } from "./chat-messages.js";
import { answered, cut, entered, gap, saying, stands, withdrawn } from "./chat-messages.js";
import type { Conversation } from "./chat-list.js";
import { type TidingsError, asError } from "./error.js";
import type { Answered } from "./outbox.js";
import { View } from "./view.js";
import { before, sleep } from "./wait.js";

/** A conversation with its people. */
export interface WholeConversation extends Conversation {
  readonly member_ids: readonly string[];
}

/** What an open conversation shows. */
export interface RoomState extends Messages {
  /** Who is in it; nothing before it was loaded. */
  readonly conversation: WholeConversation | undefined;
  /** Whether the history was never there, is there, or could not be loaded. */
  readonly status: "loading" | "loaded" | "failed";
  /** What went wrong last; nothing once it went well. */
  readonly error: TidingsError | undefined;
}

/** How a message stands, member by member. */
export interface MessageReceipts {
  message_id: string;
  seq: number;
  sent_at: string;
  of: number;
  delivered: number;
  read: number;
  items: { user_id: string; delivered_at: string | null; read_at: string | null }[];
}

/** An open conversation. */
export interface Room {
  readonly id: string;
  /** What it shows now; each change is another object. */
  readonly state: RoomState;
  /** Calls back after each change; answers how to end that. */
  subscribe(changed: (state: RoomState) => void): () => void;
  /** Loads older messages, if there are any. */
  older(): Promise<void>;
  /**
   * Says something. It is shown at once as `SENDING`, and said until the server answers, by a later page if need be.
   * Resolves, with its `client_id`, when this browser has it safe; what becomes of it is in `state`.
   */
  send(content: string): Promise<string>;
  /** Says again what was refused. */
  again(clientId: string): Promise<void>;
  /** Lets go of what was refused. */
  drop(clientId: string): Promise<void>;
  /** Has read everything up to a message, or up to the newest; who sent it is told. */
  read(upTo?: string): Promise<void>;
  /** Shows the others that one types, or stopped; to be called with each key. */
  typing(isTyping?: boolean): void;
  /** Who got a message of the conversation, and who read it. */
  receipts(messageId: string): Promise<MessageReceipts>;
  /** Brings somebody into the group. */
  invite(user: string): Promise<void>;
  /** Takes somebody out of the group; oneself, to leave it. */
  remove(user: string): Promise<void>;
  /** Shows it no longer. */
  close(): void;
}

/** What a room needs of the chat it belongs to. */
export interface RoomHost {
  readonly client: Client;
  /** Who its person is, once that is known. */
  me(): Promise<string>;
  /** Ends with the chat. */
  readonly signal: AbortSignal;
  say(conversation: string, content: string): Promise<string>;
  again(said: Said): Promise<void>;
  drop(conversation: string, clientId: string): Promise<void>;
  waiting(conversation: string): Promise<Said[]>;
  wasRead(conversation: string, upTo: number): void;
  isLeft(conversation: string): void;
  isClosed(conversation: string): void;
}

/** Messages of one page. */
const PAGE = 50;
/** Pages that close a hole; where more is missing, the older are loaded when somebody looks for them. */
const FILL_PAGES = 10;
/** Messages that are kept of a conversation in which others speak on and on. */
const KEPT = 5000;
/** Between two words that somebody types; the others see it for six seconds. */
const TYPES_MS = 3000;

/** An open conversation. */
export class LiveRoom extends View<RoomState> implements Room {
  readonly id: string;
  readonly #host: RoomHost;
  readonly #path: string;
  #me = "";
  #older: Promise<void> | undefined;
  #readUpTo = 0;
  #readDue: { message: string; seq: number } | undefined;
  #reading: Promise<void> | undefined;
  #typed = -Infinity;

  constructor(id: string, host: RoomHost) {
    super({ ...NOTHING, conversation: undefined, status: "loading", error: undefined });
    this.id = id;
    this.#host = host;
    this.#path = `/api/v1/conversations/${encodeURIComponent(id)}`;
    void this.reload();
  }

  async older(): Promise<void> {
    this.#older ??= this.#loadOlder().finally(() => (this.#older = undefined));
    await this.#older;
  }

  send(content: string): Promise<string> {
    // What was typed is said.
    this.#typed = -Infinity;
    return this.#host.say(this.id, content);
  }

  async again(clientId: string): Promise<void> {
    const refused = this.state.messages.find(({ client_id, state }) => client_id === clientId && state === "REFUSED");
    if (!refused) return;
    const { content, created_at } = refused;
    await this.#host.again({ client_id: clientId, conversation_id: this.id, content, created_at });
  }

  drop(clientId: string): Promise<void> {
    return this.#host.drop(this.id, clientId);
  }

  async read(upTo?: string): Promise<void> {
    const wanted = ({ message_id, seq }: ChatMessage) => seq !== undefined && (upTo ?? message_id) === message_id;
    const last = this.state.messages.findLast(wanted);
    if (last?.seq === undefined || last.message_id === undefined || last.seq <= this.#readUpTo) return;
    this.#readUpTo = last.seq;
    this.#readDue = { message: last.message_id, seq: last.seq };
    this.#reading ??= this.#tellRead().finally(() => (this.#reading = undefined));
    await this.#reading;
  }

  typing(isTyping = true): void {
    const now = performance.now();
    const told = now - this.#typed;
    if (isTyping ? told < TYPES_MS : told > 2 * TYPES_MS) return;
    this.#typed = isTyping ? now : -Infinity;
    const { client, signal } = this.#host;
    // Worth something now or never: what cannot be told is not told later.
    client.request(`${this.#path}/typing`, { method: "POST", body: { is_typing: isTyping }, signal }).catch(() => undefined);
  }

  receipts(messageId: string): Promise<MessageReceipts> {
    return this.#host.client.json(`${this.#path}/messages/${encodeURIComponent(messageId)}/receipts`);
  }

  async invite(user: string): Promise<void> {
    await this.#host.client.request(`${this.#path}/members/${encodeURIComponent(user)}`, { method: "PUT" });
    await this.reload();
  }

  async remove(user: string): Promise<void> {
    await this.#host.client.request(`${this.#path}/members/${encodeURIComponent(user)}`, { method: "DELETE" });
    if (user !== (await this.#host.me())) return await this.reload();
    this.#host.isLeft(this.id);
    this.close();
  }

  close(): void {
    this.end();
    this.#host.isClosed(this.id);
  }

  /** Something was said in it. */
  said(message: MessageBody, me: string): void {
    this.#me = me;
    this.show(entered(this.state, me, [message]));
    const [first] = this.state.messages.slice(-KEPT);
    if (this.state.messages.length > KEPT && first?.seq !== undefined) this.show(cut(this.state, first.seq, true));
    // Who speaks and is not known came in meanwhile; a hole is closed from the history.
    const known = this.state.conversation?.member_ids.includes(message.sender_id) ?? true;
    if (!known || gap(this.state)) void this.reload();
  }

  /** The server says how one's own messages stand. */
  stands(status: MessageStatus, me: string): void {
    this.show(stands(this.state, me, status));
  }

  /** Something is on its way, or was refused. */
  saying(said: Said, me: string): void {
    this.show(saying(this.state, me, said));
  }

  /** The server has what was said. */
  answered(said: Said, answer: Answered, me: string): void {
    this.show(answered(this.state, me, said, answer));
    if (gap(this.state)) void this.reload();
  }

  /** What was refused is let go. */
  dropped(clientId: string): void {
    this.show(withdrawn(this.state, clientId));
  }

  /** Loads who is in it and the newest messages, and what lies between them and those that are shown. */
  protected async load(): Promise<void> {
    try {
      this.#me = await this.#host.me();
      const { client } = this.#host;
      for (const said of await this.#host.waiting(this.id)) this.show(saying(this.state, this.#me, said));
      const [conversation, page] = await Promise.all([client.json<WholeConversation>(this.#path), this.#page()]);
      this.show({ ...this.#with(page), conversation, status: "loaded", error: undefined });
      await this.#fill();
    } catch (cause) {
      const status = this.state.status === "loaded" ? "loaded" : "failed";
      const error = asError(cause);
      this.show({ ...this.state, status, error });
      if (error.problem?.status === 404) this.#host.isLeft(this.id);
    }
  }

  /** Asks the history for what the numbers say is missing. */
  async #fill(): Promise<void> {
    for (let pages = 0; ; pages += 1) {
      const above = gap(this.state);
      if (above?.message_id === undefined || above.seq === undefined) return;
      if (pages === FILL_PAGES) return this.show(cut(this.state, above.seq, true));
      const page = await this.#page(above.message_id);
      this.show(this.#with(page));
      // What the server no longer shows is not ours to see: we were out of it in between.
      if (gap(this.state)?.seq === above.seq || (page.next_cursor === null && gap(this.state))) {
        const from = page.items.at(-1)?.seq ?? above.seq;
        this.show(cut(this.state, from, page.next_cursor !== null));
      }
    }
  }

  async #loadOlder(): Promise<void> {
    const oldest = this.state.messages.find(({ seq }) => seq !== undefined);
    if (!this.state.older || oldest?.message_id === undefined) return;
    try {
      const page = await this.#page(oldest.message_id);
      this.show({ ...this.#with(page), error: undefined });
    } catch (cause) {
      this.show({ ...this.state, error: asError(cause) });
    }
  }

  #page(before?: string): Promise<{ items: MessageBody[]; next_cursor: string | null }> {
    const query = new URLSearchParams({ limit: String(PAGE), ...(before === undefined ? {} : { before }) });
    return this.#host.client.json(`${this.#path}/messages?${query}`);
  }

  /** What is shown with a page of the history. */
  #with({ items, next_cursor }: { items: MessageBody[]; next_cursor: string | null }): RoomState {
    const oldest = this.state.messages.find(({ seq }) => seq !== undefined)?.seq ?? Infinity;
    const last = items.at(-1)?.seq;
    // Only the page that reaches furthest back knows whether there is more.
    const older = last === undefined || last < oldest ? next_cursor !== null : this.state.older;
    return { ...entered(this.state, this.#me, items), older };
  }

  async #tellRead(): Promise<void> {
    const { client, signal } = this.#host;
    for (let attempt = 0; this.#readDue && !signal.aborted; ) {
      const due = this.#readDue;
      try {
        const body = { up_to: due.message };
        await client.request(`${this.#path}/read`, { method: "POST", body, keepalive: true, signal });
        attempt = 0;
        if (this.#readDue === due) this.#readDue = undefined;
        this.#host.wasRead(this.id, due.seq);
      } catch (cause) {
        const why = asError(cause);
        if (why.final) {
          this.#readDue = undefined;
          this.#readUpTo = 0;
          throw why;
        }
        await sleep(before(attempt, why.retryAfterMs, Math.random), signal).catch(() => undefined);
        attempt += 1;
      }
    }
  }
}
