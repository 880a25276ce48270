// What an inbox shows, and how each thing that happens changes it: pure functions, the time comes in.

import type { TidingsError } from "./error.js";
import type { BroadcastCreated, EventData, EventOf, Frame, ItemCreated, Priority } from "./frames.js";

/** An item of an inbox. */
export interface InboxItem {
  /** What receipts name. */
  id: string;
  /** `broadcast`, `announcement`, `notification`, `post`, `follow`, or a route's own word. */
  kind: string;
  /** What is known of it: confirmed by no device, by one, or read. */
  state: "pending" | "delivered" | "read";
  priority: Priority;
  title: string | null;
  /** Plain text. */
  content: string | null;
  data: unknown;
  /** Where a click leads; check its scheme before it becomes a link. */
  action_url: string | null;
  category: string | null;
  sender_id: string | null;
  created_at: string;
  expires_at: string | null;
  delivered_at: string | null;
  read_at: string | null;
}

/** A page of an inbox, as the server answers it. */
export interface InboxPage {
  items: InboxItem[];
  next_cursor: string | null;
}

/** What an inbox shows. */
export interface InboxState {
  /** The most pressing first, then the newest. */
  readonly items: readonly InboxItem[];
  /** How many items are unread, also of those that are not loaded. */
  readonly unread: number;
  /** Where the next page begins; nothing where all are loaded. */
  readonly next: string | null;
  /** Whether the first page was never there, is there, or could not be loaded. */
  readonly status: "loading" | "loaded" | "failed";
  /** Whether what is shown follows what happens; otherwise it may be old. */
  readonly live: boolean;
  /** What went wrong last; nothing once it went well. */
  readonly error: TidingsError | undefined;
}

/** Before anything is known. */
export const EMPTY: InboxState = { items: [], unread: 0, next: null, status: "loading", live: false, error: undefined };

const RANKS: readonly Priority[] = ["low", "normal", "high", "urgent"];

/** The item that an event brings; nothing where it brings none. */
export function itemOf(frame: Frame): InboxItem | undefined {
  if (!("id" in frame)) return undefined;
  const { subject: id, time } = frame;
  const [kind, data] = said(frame);
  if (kind === undefined || data === null) return undefined;
  return {
    id,
    kind,
    state: "pending",
    priority: data.priority ?? "normal",
    title: data.title ?? null,
    content: data.content ?? null,
    data: data.data ?? null,
    action_url: data.action_url ?? null,
    category: data.category ?? null,
    sender_id: data.sender_id ?? null,
    created_at: time,
    expires_at: data.expires_at ?? null,
    delivered_at: null,
    read_at: null,
  };
}

/** What an event says of its item: the kind, and what the list has of it. */
function said(frame: EventOf<EventData>): [kind: string | undefined, data: Partial<BroadcastCreated & ItemCreated> | null] {
  if (frame.type === "broadcast.created") return ["broadcast", frame.data];
  if (frame.type === "post.created") {
    const { post_id, author_id, title, excerpt } = frame.data;
    return ["post", { title, content: excerpt, sender_id: author_id, data: { post_id } }];
  }
  if (frame.type === "user.followed") {
    const { follower_id } = frame.data;
    return ["follow", { sender_id: follower_id, data: { follower_id } }];
  }
  // A route's own type says the item too: it names itself, and its kind.
  const data = frame.data as Partial<BroadcastCreated & ItemCreated> | null;
  return [data?.id === frame.subject ? data?.kind : undefined, data];
}

/** The first page came; `pushed` are items that came by themselves a moment ago, which it may not have yet. */
export function loaded(state: InboxState, page: InboxPage, unread: number, pushed: Iterable<InboxItem>): InboxState {
  const fresh = { ...state, items: page.items, next: page.next_cursor, unread, status: "loaded", error: undefined } as const;
  return [...pushed].reduce<InboxState>(inserted, fresh);
}

/** The next page came. */
export function continued(state: InboxState, page: InboxPage): InboxState {
  const known = new Set(state.items.map(({ id }) => id));
  const items = [...state.items, ...page.items.filter(({ id }) => !known.has(id))];
  return { ...state, items, next: page.next_cursor, error: undefined };
}

/** An item came by itself: it is shown where it belongs, and counted. */
export function arrived(state: InboxState, item: InboxItem): InboxState {
  if (state.items.some(({ id }) => id === item.id)) return state;
  return { ...inserted(state, item), unread: state.unread + 1 };
}

function inserted(state: InboxState, item: InboxItem): InboxState {
  if (state.items.some(({ id }) => id === item.id)) return state;
  const found = state.items.findIndex((other) => stands(item, other) < 0);
  // Behind the last one that is loaded: a later page has it.
  if (found < 0 && state.next !== null) return state;
  return { ...state, items: state.items.toSpliced(found < 0 ? state.items.length : found, 0, item) };
}

/** Negative where `one` stands before `other`. */
function stands(one: InboxItem, other: InboxItem): number {
  const rank = RANKS.indexOf(other.priority) - RANKS.indexOf(one.priority);
  return rank !== 0 ? rank : Date.parse(other.created_at) - Date.parse(one.created_at);
}

/** Items left: cancelled, expired, or taken out. */
export function gone(state: InboxState, ids: readonly string[]): InboxState {
  const leaving = new Set(ids);
  const left = state.items.filter(({ id }) => leaving.has(id));
  const unread = Math.max(0, state.unread - left.filter(isUnread).length);
  return left.length === 0 ? state : { ...state, items: state.items.filter(({ id }) => !leaving.has(id)), unread };
}

/** Items were read, here or on another device, which tells how many are left; all of them where `ids` is absent. */
export function wereRead(state: InboxState, at: string, ids?: readonly string[], unread?: number): InboxState {
  const concerned = ({ id }: InboxItem) => ids === undefined || ids.includes(id);
  const newly = state.items.filter((item) => isUnread(item) && concerned(item)).length;
  const items = state.items.map((item) =>
    isUnread(item) && concerned(item)
      ? { ...item, state: "read" as const, read_at: at, delivered_at: item.delivered_at ?? at }
      : item,
  );
  const left = ids === undefined ? 0 : Math.max(0, state.unread - newly);
  return { ...state, items, unread: unread ?? left };
}

/** What has expired by now leaves; nothing tells of it where the stream is away. */
export function expired(state: InboxState, now: number): InboxState {
  const over = ({ expires_at }: InboxItem) => expires_at !== null && Date.parse(expires_at) <= now;
  return gone(state, state.items.filter(over).map(({ id }) => id));
}

/** Whether its person has yet to read an item. */
export function isUnread(item: InboxItem): boolean {
  return item.read_at === null;
}
