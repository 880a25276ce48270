// A person's conversations, and how each thing that happens changes the list: pure functions.

import type { TidingsError } from "./error.js";
import type { MessageBody } from "./chat-messages.js";
import type { SignalData } from "./frames.js";

/** The other of two people. */
export interface Partner {
  readonly user_id: string;
  readonly display_name: string;
  readonly online: boolean;
  /** When they were there last; null while they are, and where it was long ago. */
  readonly last_seen_at: string | null;
}

/** A conversation of the list. */
export interface Conversation {
  readonly conversation_id: string;
  /** How a group is called; null for two people, and where nobody named it. */
  readonly title: string | null;
  /** The other of two people; null for groups. */
  readonly partner: Partner | null;
  /** How many people it has. */
  readonly members: number;
  /** What was said last; null before anything was. */
  readonly last_message: MessageBody | null;
  /** How many messages of others are not read. */
  readonly unread_count: number;
  readonly created_at: string;
}

/** A page of the list, as the server answers it. */
export interface ConversationPage {
  items: Conversation[];
  next_cursor: string | null;
}

/** What a list of conversations shows. */
export interface ChatState {
  /** The last one spoken in first. */
  readonly conversations: readonly Conversation[];
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
export const EMPTY: ChatState = { conversations: [], next: null, status: "loading", live: false, error: undefined };

/** The first page came. What was said in a conversation since it was asked for is kept. */
export function loaded(state: ChatState, { items, next_cursor }: ConversationPage): ChatState {
  const known = new Map(state.conversations.map((one) => [one.conversation_id, one]));
  const newer = items.map((one) => {
    const before = known.get(one.conversation_id);
    return before && lastSeq(before) > lastSeq(one) ? before : one;
  });
  return { ...state, conversations: newer.toSorted(byLast), next: next_cursor, status: "loaded", error: undefined };
}

/** The next page came. */
export function continued(state: ChatState, { items, next_cursor }: ConversationPage): ChatState {
  const known = new Set(state.conversations.map(({ conversation_id }) => conversation_id));
  const more = items.filter(({ conversation_id }) => !known.has(conversation_id));
  return { ...state, conversations: [...state.conversations, ...more], next: next_cursor, error: undefined };
}

/** A conversation as the server has it now. */
export function put(state: ChatState, conversation: Conversation): ChatState {
  const others = state.conversations.filter(({ conversation_id }) => conversation_id !== conversation.conversation_id);
  return { ...state, conversations: [conversation, ...others].toSorted(byLast) };
}

/** A conversation is no more one's own. */
export function left(state: ChatState, id: string): ChatState {
  return { ...state, conversations: state.conversations.filter(({ conversation_id }) => conversation_id !== id) };
}

/** Something was said: the list after it; nothing where the list does not know enough, and must ask the server. */
export function said(state: ChatState, me: string, message: MessageBody): ChatState | undefined {
  const known = state.conversations.find(({ conversation_id }) => conversation_id === message.conversation_id);
  if (!known || message.seq > lastSeq(known) + 1) return undefined;
  // The server counted it before this page asked.
  if (message.seq <= lastSeq(known)) return state;
  const unread_count = known.unread_count + (message.sender_id === me ? 0 : 1);
  return put(state, { ...known, last_message: message, unread_count });
}

/** Somebody came or went. */
export function present(state: ChatState, presence: SignalData["presence"]): ChatState {
  const { user_id, online, last_seen_at } = presence;
  if (!state.conversations.some(({ partner }) => partner?.user_id === user_id)) return state;
  const conversations = state.conversations.map((one) =>
    one.partner?.user_id === user_id ? { ...one, partner: { ...one.partner, online, last_seen_at } } : one,
  );
  return { ...state, conversations };
}

/** Everything up to a number was read; nothing where only the server knows how much is left. */
export function wasRead(state: ChatState, id: string, upTo: number): ChatState | undefined {
  const known = state.conversations.find(({ conversation_id }) => conversation_id === id);
  if (!known || known.unread_count === 0) return state;
  return upTo >= lastSeq(known) ? put(state, { ...known, unread_count: 0 }) : undefined;
}

function lastSeq({ last_message }: Conversation): number {
  return last_message?.seq ?? 0;
}

function byLast(one: Conversation, other: Conversation): number {
  const at = ({ last_message, created_at }: Conversation) => Date.parse(last_message?.created_at ?? created_at);
  return at(other) - at(one);
}
