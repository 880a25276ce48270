// Chat: the conversations of the caller, what is said in them, and how far one's own messages have come. What the entry
// `tidings/chat` gives.

import type { Conversation, ChatState, ConversationPage } from "./chat-list.js";
import { EMPTY, continued, left, loaded, present, put, said, wasRead } from "./chat-list.js";
import type { Said } from "./chat-messages.js";
import { LiveRoom, type Room, type WholeConversation } from "./chat-room.js";
import { Tabs } from "./chat-tabs.js";
import { Client } from "./client.js";
import { TidingsError, asError } from "./error.js";
import type { Frame, SignalData } from "./frames.js";
import { type ListenOptions, type ListenState, type Listener, listen } from "./listen.js";
import { IndexedDbSaid, MemorySaid, Outbox, type SaidStore } from "./outbox.js";
import { personOf } from "./person.js";
import { PagedView } from "./view.js";

export type { ChatState, Conversation, Partner } from "./chat-list.js";
export type { ChatMessage, MessageState, Said } from "./chat-messages.js";
export type { MessageReceipts, Room, RoomState, WholeConversation } from "./chat-room.js";
export type { ListenState } from "./listen.js";
export { TidingsError } from "./error.js";
export type { SaidStore } from "./outbox.js";

/** Whose conversations. */
export interface ChatOptions extends Omit<ListenOptions, "onFrame" | "channels"> {
  /** Conversations of one page, 1–200. */
  limit?: number;
  /** Where what was said is kept until it is answered: in a browser IndexedDB, elsewhere memory, unless said otherwise. */
  outbox?: SaidStore;
  /** Is given each frame after the chat has taken it. */
  onFrame?: (frame: Frame) => void;
  /** Somebody else types in a conversation, or stopped. */
  onTyping?: (typing: SignalData["typing"]) => void;
  /** Somebody who speaks with the caller came or went; the list shows it already. */
  onPresence?: (presence: SignalData["presence"]) => void;
}

/** The conversations of a person. */
export interface Chat {
  /** What the list shows now; each change is another object. */
  readonly state: ChatState;
  /** How its stream stands. */
  readonly listening: ListenState;
  /** Who its person is, as the token says. */
  me(): Promise<string>;
  /** Calls back after each change of the list; answers how to end that. */
  subscribe(changed: (state: ChatState) => void): () => void;
  /** Loads the first page again. */
  reload(): Promise<void>;
  /** Loads the next page, if there is one. */
  more(): Promise<void>;
  /** The one conversation with somebody, or a new group of more people or with a title. */
  start(members: readonly string[], title?: string): Promise<Conversation>;
  /** Opens a conversation; the same one where it is open. */
  open(id: string): Room;
  /** Ends it. What has no answer yet is kept, and said when the person comes back. */
  close(): Promise<void>;
}

/** Opens the caller's conversations. */
export function chat(options: ChatOptions): Chat {
  return new LiveChat(options);
}

const LIMIT = 50;

class LiveChat extends PagedView<ChatState, ConversationPage> implements Chat {
  listening: ListenState = "connecting";
  readonly #options: ChatOptions;
  readonly #client: Client;
  readonly #listener: Listener;
  readonly #closed = new AbortController();
  readonly #rooms = new Map<string, LiveRoom>();
  readonly #me: Promise<string>;
  #named!: (user: string) => void;
  readonly #outbox: Promise<Outbox>;
  #tabs: Tabs | undefined;
  readonly #asking = new Set<string>();
  /** Who its person is; the first frame of the stream names them. */
  #user = "";
  #names = { at: 0, count: 0 };

  constructor(options: ChatOptions) {
    super(EMPTY);
    this.#options = options;
    this.#client = new Client(options);
    this.#me = new Promise((named) => (this.#named = named));
    // A token that says nothing of its person is the server's to read: `ready` has the name.
    personOf(this.#client, this.#closed.signal).then((user) => user && this.#named(user), () => undefined);
    this.#outbox = this.#me.then((me) => this.#openOutbox((this.#user = me)));
    // First the stream, then the list, so that nothing falls between the two.
    this.#listener = listen({
      ...options,
      onFrame: (frame) => this.#frame(frame),
      onState: (state, why) => this.#stands(state, why),
    });
    void this.reload();
  }

  me(): Promise<string> {
    return this.#me;
  }

  async start(members: readonly string[], title?: string): Promise<Conversation> {
    const headers = { "idempotency-key": randomName() };
    const body = { members, ...(title === undefined ? {} : { title }) };
    const found = await this.#client.json<Conversation>("/api/v1/conversations", { method: "POST", body, headers });
    this.show(put(this.state, found));
    return found;
  }

  open(id: string): Room {
    const room = this.#rooms.get(id) ?? new LiveRoom(id, this.#hostOf());
    this.#rooms.set(id, room);
    return room;
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.end();
    for (const room of [...this.#rooms.values()]) room.close();
    this.#tabs?.close();
    await this.#listener.close();
    // Where nobody was named there is no outbox, and never will be.
    this.#named("");
    await (await this.#outbox).close();
  }

  #openOutbox(me: string): Outbox {
    const { outbox: store = typeof indexedDB === "undefined" ? new MemorySaid() : new IndexedDbSaid() } = this.#options;
    const outbox = new Outbox(this.#client, me, store, {
      answered: (said, answer) => {
        this.#rooms.get(said.conversation_id)?.answered(said, answer, me);
        this.#tabs?.tell({ what: "answered", said, answer });
      },
      refused: (said) => {
        this.#rooms.get(said.conversation_id)?.saying(said, me);
        this.#tabs?.tell({ what: "said", said });
      },
    });
    if (this.#closed.signal.aborted) return outbox;
    if (Tabs.possible()) this.#tabs = new Tabs(`tidings chat ${this.#client.base} ${me}`, {
      said: (said) => {
        this.#rooms.get(said.conversation_id)?.saying(said, me);
        // The page that says it may go before it has the answer.
        if (!said.refused) outbox.wake();
      },
      answered: (said, answer) => this.#rooms.get(said.conversation_id)?.answered(said, answer, me),
      dropped: (conversation, clientId) => this.#rooms.get(conversation)?.dropped(clientId),
      read: (conversation, upTo) => this.#wasRead(conversation, upTo),
    });
    outbox.wake();
    return outbox;
  }

  #hostOf(): ConstructorParameters<typeof LiveRoom>[1] {
    return {
      client: this.#client,
      signal: this.#closed.signal,
      me: () => this.#me,
      say: (conversation_id, content) => {
        const created_at = new Date().toISOString();
        return this.#say({ client_id: this.#name(), conversation_id, content, created_at });
      },
      again: async (said) => void (await this.#say(said)),
      drop: async (conversation, clientId) => {
        await (await this.#outbox).remove(clientId);
        this.#rooms.get(conversation)?.dropped(clientId);
        this.#tabs?.tell({ what: "dropped", conversation, clientId });
      },
      waiting: async (conversation) => {
        const waiting = await (await this.#outbox).waiting();
        return waiting.filter(({ conversation_id }) => conversation_id === conversation);
      },
      wasRead: (conversation, upTo) => {
        this.#wasRead(conversation, upTo);
        this.#tabs?.tell({ what: "read", conversation, upTo });
      },
      isLeft: (id) => this.show(left(this.state, id)),
      isClosed: (id) => this.#rooms.delete(id),
    };
  }

  async #say(said: Said): Promise<string> {
    const me = await this.#me;
    this.#rooms.get(said.conversation_id)?.saying(said, me);
    await (await this.#outbox).put(said);
    this.#tabs?.tell({ what: "said", said });
    return said.client_id;
  }

  /** A name that nobody else gives; later ones are greater, so that they say in which order things were said. */
  #name(): string {
    const at = Math.max(Date.now(), this.#names.at);
    this.#names = { at, count: at === this.#names.at ? this.#names.count + 1 : 0 };
    const part = (number: number, digits: number) => number.toString(36).padStart(digits, "0");
    return `${part(at, 9)}-${part(this.#names.count, 4)}-${randomName()}`;
  }

  protected async load(): Promise<void> {
    try {
      const page = await this.page();
      this.show(loaded(this.state, page));
    } catch (cause) {
      const status = this.state.status === "loaded" ? "loaded" : "failed";
      this.show({ ...this.state, status, error: asError(cause) });
    }
  }

  protected continued(page: ConversationPage): ChatState {
    return continued(this.state, page);
  }

  protected page(cursor?: string): Promise<ConversationPage> {
    const query = new URLSearchParams({ limit: String(this.#options.limit ?? LIMIT) });
    if (cursor !== undefined) query.set("cursor", cursor);
    return this.#client.json(`/api/v1/conversations?${query}`);
  }

  /** Asks the server how one conversation stands. */
  async #ask(id: string): Promise<void> {
    if (this.#asking.has(id)) return;
    this.#asking.add(id);
    try {
      const path = `/api/v1/conversations/${encodeURIComponent(id)}`;
      const { member_ids: _people, ...conversation } = await this.#client.json<WholeConversation>(path);
      this.show(put(this.state, conversation));
    } catch (cause) {
      const error = asError(cause);
      this.show(error.problem?.status === 404 ? left(this.state, id) : { ...this.state, error });
    } finally {
      this.#asking.delete(id);
    }
  }

  #frame(frame: Frame): void {
    this.#take(frame);
    this.#options.onFrame?.(frame);
  }

  #take(frame: Frame): void {
    if (frame.type === "ready") {
      this.#named(frame.data.user_id);
      if (!frame.data.recovered) this.#reloadAll();
    } else if (frame.type === "message.created") {
      this.#rooms.get(frame.data.conversation_id)?.said(frame.data, this.#user);
      const after = said(this.state, this.#user, frame.data);
      if (after) this.show(after);
      else void this.#ask(frame.data.conversation_id);
    } else if (frame.type === "message.status") {
      this.#rooms.get(frame.data.conversation_id)?.stands(frame.data, this.#user);
    } else if (frame.type === "typing") {
      this.#options.onTyping?.(frame.data);
    } else if (frame.type === "presence") {
      this.show(present(this.state, frame.data));
      this.#options.onPresence?.(frame.data);
    }
  }

  #reloadAll(): void {
    void this.reload();
    for (const room of this.#rooms.values()) void room.reload();
  }

  #wasRead(conversation: string, upTo: number): void {
    const after = wasRead(this.state, conversation, upTo);
    if (after) this.show(after);
    else void this.#ask(conversation);
  }

  #stands(listening: ListenState, why?: TidingsError): void {
    this.listening = listening;
    const error = listening === "live" ? this.state.error : (why ?? this.state.error);
    this.show({ ...this.state, live: listening === "live", error });
    if (listening === "live") {
      // What failed while the server was away is there now, and it hears again.
      if (this.state.status === "failed") void this.reload();
      for (const room of this.#rooms.values()) if (room.state.status === "failed") void room.reload();
      void this.#outbox.then((outbox) => outbox.wake());
    }
    this.#options.onState?.(listening, why);
  }
}

/** By the generator that is there on every page; `randomUUID` is not. */
function randomName(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
