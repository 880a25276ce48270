// A frame is one unit from the server: something that happened, or a word of the session itself.

import { TidingsError } from "./error.js";
import type { Block } from "./sse.js";

/** How pressing a message is. */
export type Priority = "low" | "normal" | "high" | "urgent";

/** What `broadcast.created` says. */
export interface BroadcastCreated {
  broadcast_id: string;
  title: string | null;
  content: string;
  /** Anything the sender's application wants its clients to know. */
  data: unknown;
  /** Where a click leads; check its scheme before it becomes a link. */
  action_url: string | null;
  priority: Priority;
  category: string | null;
  sender_id: string;
  created_at: string;
  expires_at: string;
}

/** What a notification, an announcement or a routed event with a title says. */
export interface ItemCreated {
  id: string;
  kind: string;
  title: string | null;
  content: string | null;
  data: unknown;
  action_url: string | null;
  created_at: string;
}

/** What each type of event says. Some come only from servers that have the feature. */
export interface EventData {
  "broadcast.created": BroadcastCreated;
  "broadcast.removed": { broadcast_id: string; reason: "cancelled" | "expired" };
  "notification.created": ItemCreated;
  "announcement.created": ItemCreated;
  "message.created": {
    message_id: string;
    conversation_id: string;
    seq: number;
    sender_id: string;
    content: string;
    client_id: string | null;
    created_at: string;
  };
  "message.status": {
    message_id: string;
    conversation_id: string;
    status: "SENT" | "DELIVERED" | "READ";
    user_id: string;
    timestamp: string;
    up_to?: string;
    delivered?: number;
    read?: number;
    of?: number;
  };
  "post.created": { post_id: string; author_id: string; title: string; excerpt: string; created_at: string };
  "post.removed": { post_id: string; reason: string };
  "user.followed": { follower_id: string; created_at: string };
  "order.updated": { order_id: string; status: string };
  "receipt.read": { ids: string[]; unread_count: number };
  "profile.updated": { user_id: string; counts: Record<string, number> };
}

/** What each type of signal says: it is so right now. */
export interface SignalData {
  typing: { conversation_id: string; user_id: string; is_typing: boolean; timestamp: string };
  presence: { user_id: string; online: boolean; last_seen_at: string | null };
}

/** Something that happened, for this reader. */
export interface Event<Type extends string, Data> {
  /** The same event keeps its id, however often it comes; you are given it once. */
  id: string;
  type: Type;
  /** What it happened to; receipts name it. */
  subject: string;
  /** By which channel it came. */
  channel: string | null;
  /** When it happened: RFC 3339, UTC. */
  time: string;
  /** It comes later than its place among others. */
  late: boolean;
  data: Data;
}

/** Why a stream could not simply go on. */
export type NotRecovered =
  | "no_cursor"
  | "unknown_cursor"
  | "other_generation"
  | "narrowed_differently"
  | "reopened"
  | "too_old"
  | "ahead_of_log"
  /** Of this client: the page opened while another one already listened for the browser. */
  | "joined"
  /** Of this client: the page did not take its frames, and some were let go. */
  | "slow";

/** The first word of a stream, and of each one that follows it. */
export interface Ready {
  /** Which device this is; the same when it comes back. */
  session_id: string;
  /** Who the token says it is. */
  user_id: string;
  /** Whether nothing was missed. Where something may have been, reload what you show. */
  recovered: boolean;
  /** Why not. */
  reason?: NotRecovered | (string & {});
  /** From where the stream goes on; `null` while a catch-up runs. */
  cursor: string | null;
  /** Seconds between two heartbeats. */
  heartbeat_secs: number;
}

/** What each frame of the session says. */
export interface SessionData {
  /** The stream is open. */
  ready: Ready;
  /** So many more messages are pending than were sent; the inbox has them, page by page. */
  digest: { pending: number };
  /** The token ends then; it is renewed without your doing where `token` is a function. */
  "token.expiring": { expires_at: string };
  /** The server stops, and wants its clients back after so many milliseconds; this one comes. */
  shutdown: { reconnect_ms: number };
}

/** The events of a map from types to what they say. */
export type EventOf<Data> = { [Type in keyof Data & string]: Event<Type, Data[Type]> }[keyof Data & string];

/** Something that is so right now, for this reader. It has no id, and who is away is never told of it. */
export interface Signal<Type extends string, Data> {
  type: Type;
  /** By which channel it came; `null` where it came by several. */
  channel: string | null;
  /** Since when: RFC 3339, UTC. */
  time: string;
  data: Data;
}

/** A signal, told apart by its `type`. */
export type SignalFrame = { [Type in keyof SignalData]: Signal<Type, SignalData[Type]> }[keyof SignalData];

/** A frame of the session: it has no id. */
export type SessionFrame = { [Type in keyof SessionData]: { type: Type; data: SessionData[Type] } }[keyof SessionData];

/**
 * A frame, told apart by its `type`. `Own` names the types of your application's own routes:
 * `Frame<{ "invoice.paid": { number: string } }>`. Types that neither names may still come, from a newer server.
 */
export type Frame<Own = unknown> = EventOf<Omit<EventData, keyof Own> & Own> | SignalFrame | SessionFrame;

/** A frame as it came: what the application is given of it, and where it leaves the cursor. */
export interface Received {
  /** Absent where only the cursor moves. */
  frame?: Frame;
  /** The event's id, by which repeats are dropped. */
  id?: string;
  /** Everything up to here was offered; `null` forgets the cursor that was held. */
  cursor?: string | null;
}

const OF_SESSION: ReadonlySet<string> = new Set<keyof SessionData>(["ready", "digest", "token.expiring", "shutdown"]);

/** Whether a frame is of the session itself. */
export function isSessionFrame(frame: { type: string }): frame is SessionFrame {
  return OF_SESSION.has(frame.type);
}

/** The frame of a block. */
export function read(block: Block): Received {
  const said = parse(block.data);
  if (block.event === "cursor") {
    if (typeof said["cursor"] !== "string") throw undocumented(block.data);
    return { cursor: said["cursor"] };
  }
  const cursor = block.id === undefined ? {} : { cursor: block.id };
  // By their names these are as the server documents them; what they say is for the application to use.
  if (OF_SESSION.has(block.event)) return { frame: { type: block.event, data: said } as unknown as SessionFrame };
  if (typeof said["type"] !== "string") throw undocumented(block.data);
  // Only what happened has an id.
  if (said["id"] === undefined && "channel" in said) return { frame: said as unknown as Frame, ...cursor };
  if (typeof said["id"] !== "string") throw undocumented(block.data);
  return { frame: said as unknown as Frame, id: said["id"], ...cursor };
}

function parse(json: string): Record<string, unknown> {
  try {
    const said: unknown = JSON.parse(json);
    if (typeof said === "object" && said !== null) return said as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw undocumented(json);
}

function undocumented(text: string): TidingsError {
  return new TidingsError("undocumented", `the server sent what is not documented: ${text.slice(0, 120)}`);
}
