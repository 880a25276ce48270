// The inbox of the caller: its list, page by page, and how many are unread, both kept up by the stream.

import { Client } from "./client.js";
import { type TidingsError, asError } from "./error.js";
import type { Frame } from "./frames.js";
import { EMPTY, type InboxItem, type InboxPage, type InboxState } from "./inbox-state.js";
import { arrived, continued, expired, gone, isUnread, itemOf, loaded, wereRead } from "./inbox-state.js";
import { type ListenOptions, type ListenState, type Listener, listen } from "./listen.js";
import { PagedView } from "./view.js";

/** Which inbox. */
export interface InboxOptions extends Omit<ListenOptions, "onFrame"> {
  /** Items of one page, 1–200. */
  limit?: number;
  /** Is given each frame after the inbox has taken it. */
  onFrame?: (frame: Frame) => void;
  /** Is told of each item that came by itself: for a sound, a toast, a screen reader. */
  onItem?: (item: InboxItem) => void;
}

/** What somebody does not want to hear of, and when. Urgent messages come all the same. */
export interface Preferences {
  /** Categories of which they want nothing. */
  muted_categories: string[];
  /** When it is quiet, `"22:00"` to `"07:00"` by the clock of an IANA time zone; what comes then is shown afterwards. */
  quiet_hours: { start: string; end: string; time_zone: string } | null;
}

/** A live inbox. */
export interface Inbox {
  /** What it shows now; each change is another object. */
  readonly state: InboxState;
  /** How its stream stands. */
  readonly listening: ListenState;
  /** Calls back after each change; answers how to end that. */
  subscribe(changed: (state: InboxState) => void): () => void;
  /** Loads the first page again. */
  reload(): Promise<void>;
  /** Loads the next page, if there is one. */
  more(): Promise<void>;
  /** Reads items; the person's other devices are told. Shown at once, and taken back if the server did not take it. */
  read(...ids: string[]): Promise<void>;
  /** Reads everything that is in the inbox now. */
  readAll(): Promise<void>;
  /** Takes an item out of the inbox. */
  remove(id: string): Promise<void>;
  /** What the person prefers. */
  preferences(): Promise<Preferences>;
  /** Replaces it, on all their devices; answers what holds now. */
  prefer(preferences: Preferences): Promise<Preferences>;
  /** Ends it. */
  close(): Promise<void>;
}

/** Opens the caller's inbox. */
export function inbox(options: InboxOptions): Inbox {
  return new LiveInbox(options);
}

const LIMIT = 20;
/** The most unread items that a change counts; the server counts no further either. */
const COUNTED_MAX = 1000;
/** Items that came by themselves within this time may be missing from a page that is loaded now. */
const PUSHED_MS = 30_000;
/** How many of them are remembered. */
const PUSHED = 100;
/** An item that comes so soon after the unread were counted may be counted already. */
const DOUBTFUL_MS = 5000;
/** How long a new count waits for others who want it. */
const COUNT_PAUSE_MS = 1000;
/** How often what has expired is looked for. */
const EXPIRE_MS = 30_000;

class LiveInbox extends PagedView<InboxState, InboxPage> implements Inbox {
  listening: ListenState = "connecting";
  readonly #options: InboxOptions;
  readonly #client: Client;
  readonly #listener: Listener;
  readonly #pushed = new Map<string, { item: InboxItem; at: number }>();
  readonly #expiring: ReturnType<typeof setInterval>;
  #counting: ReturnType<typeof setTimeout> | undefined;
  #countedAt = 0;
  #wasReady = false;

  constructor(options: InboxOptions) {
    super(EMPTY);
    this.#options = options;
    this.#client = new Client(options);
    // First the stream, then the list, so that nothing falls between the two.
    this.#listener = listen({
      ...options,
      onFrame: (frame) => this.#frame(frame),
      onState: (state, why) => this.#stands(state, why),
    });
    void this.reload();
    this.#expiring = setInterval(() => this.show(expired(this.state, Date.now())), EXPIRE_MS);
  }

  async read(...ids: string[]): Promise<void> {
    const unread = ids.filter((id) => this.state.items.some((item) => item.id === id && isUnread(item)));
    this.show(wereRead(this.state, new Date().toISOString(), unread));
    await this.#act(() => this.#post("/api/v1/receipts", { read: ids }));
  }

  async readAll(): Promise<void> {
    this.show(wereRead(this.state, new Date().toISOString()));
    await this.#act(() => this.#post("/api/v1/inbox/read-all"));
  }

  async remove(id: string): Promise<void> {
    this.#pushed.delete(id);
    this.show(gone(this.state, [id]));
    await this.#act(() => this.#client.request(`/api/v1/inbox/${encodeURIComponent(id)}`, { method: "DELETE" }));
  }

  preferences(): Promise<Preferences> {
    return this.#client.json("/api/v1/preferences");
  }

  async prefer(preferences: Preferences): Promise<Preferences> {
    const now = await this.#client.json<Preferences>("/api/v1/preferences", { method: "PUT", body: preferences });
    // The list shows neither more nor less than what is wanted now.
    await this.reload();
    return now;
  }

  async close(): Promise<void> {
    clearInterval(this.#expiring);
    clearTimeout(this.#counting);
    this.end();
    await this.#listener.close();
  }

  /** Does what was shown already; what did not come true is loaded anew. */
  async #act(act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (cause) {
      await this.reload();
      this.show({ ...this.state, error: asError(cause) });
      throw cause;
    }
  }

  async #post(path: string, body?: unknown): Promise<void> {
    // A click that leads elsewhere must not lose what it said.
    await this.#client.request(path, { method: "POST", keepalive: true, ...(body === undefined ? {} : { body }) });
  }

  protected async load(): Promise<void> {
    try {
      const [page, unread] = await Promise.all([this.page(), this.#count()]);
      const pushed = [...this.#pushed.values()].filter(({ at }) => Date.now() - at < PUSHED_MS);
      this.show(loaded(this.state, page, unread, pushed.map(({ item }) => item)));
    } catch (cause) {
      const status = this.state.status === "loaded" ? "loaded" : "failed";
      this.show({ ...this.state, status, error: asError(cause) });
    }
  }

  protected continued(page: InboxPage): InboxState {
    return continued(this.state, page);
  }

  protected page(cursor?: string): Promise<InboxPage> {
    const query = new URLSearchParams({ limit: String(this.#options.limit ?? LIMIT) });
    if (cursor !== undefined) query.set("cursor", cursor);
    return this.#client.json(`/api/v1/inbox?${query}`);
  }

  async #count(): Promise<number> {
    const { unread_count } = await this.#client.json<{ unread_count: number }>("/api/v1/inbox/unread-count");
    this.#countedAt = Date.now();
    return unread_count;
  }

  /** Counts anew in a moment. */
  #recount(): void {
    this.#counting ??= setTimeout(async () => {
      this.#counting = undefined;
      const unread = await this.#count().catch(() => this.state.unread);
      this.show({ ...this.state, unread });
    }, COUNT_PAUSE_MS);
  }

  #frame(frame: Frame): void {
    this.#take(frame);
    this.#options.onFrame?.(frame);
  }

  #take(frame: Frame): void {
    if (frame.type === "ready") {
      // The list of the start covers what the first word does not.
      if (this.#wasReady && !frame.data.recovered) void this.reload();
      this.#wasReady = true;
    } else if (frame.type === "broadcast.removed" || frame.type === "post.removed") {
      this.#pushed.delete(frame.subject);
      const known = this.state.items.some(({ id }) => id === frame.subject);
      this.show(gone(this.state, [frame.subject]));
      // Whether it was unread only the server knows.
      if (!known && this.state.unread > 0) this.#recount();
    } else if (frame.type === "receipt.read") {
      const { ids, unread_count: unread } = frame.data;
      if (ids === undefined) void this.reload();
      else this.show(wereRead(this.state, frame.time, ids, unread));
      if (unread >= COUNTED_MAX) this.#recount();
    } else {
      const item = itemOf(frame);
      if (item) this.#arrive(item);
    }
  }

  #arrive(item: InboxItem): void {
    const known = this.state.items.some(({ id }) => id === item.id);
    this.#pushed.set(item.id, { item, at: Date.now() });
    const [oldest] = this.#pushed.keys();
    if (this.#pushed.size > PUSHED && oldest !== undefined) this.#pushed.delete(oldest);
    this.show(arrived(this.state, item));
    const doubtful = this.isLoading || Date.now() - this.#countedAt < DOUBTFUL_MS;
    if (!known && doubtful) this.#recount();
    if (!known) this.#options.onItem?.(item);
  }

  #stands(listening: ListenState, why?: TidingsError): void {
    this.listening = listening;
    const error = listening === "live" ? this.state.error : (why ?? this.state.error);
    this.show({ ...this.state, live: listening === "live", error });
    // What failed while the server was away is there now.
    if (listening === "live" && this.state.status === "failed") void this.reload();
    this.#options.onState?.(listening, why);
  }
}
