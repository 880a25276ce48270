// What an open conversation shows, and how each thing that happens changes it: pure functions.
//
// Messages stand by their numbers, each once; what is still on its way stands behind them. A status is of a message and
// of all that its sender said before it; one that comes before its message is held until the message is known.

import type { EventData } from "./frames.js";

/** How far one's own message has come; it only goes forward. */
export type MessageState =
  /** It waits for the server's answer. */
  | "SENDING"
  /** The server has it. */
  | "SENT"
  /** All others have it. */
  | "DELIVERED"
  /** All others read it. */
  | "READ"
  /** The server refused it, and nobody gets it. */
  | "REFUSED";

/** How a message stands with the others who saw it said. */
export interface Standing {
  readonly status: "SENT" | "DELIVERED" | "READ";
  /** How many of them have it. */
  readonly delivered: number;
  /** How many of them read it. */
  readonly read: number;
  /** How many there are; 0 while nobody has said. */
  readonly of: number;
}

/** A message as the server tells it; a history says how one's own stand. */
export type MessageBody = EventData["message.created"] & { standing?: Standing };

/** What the server says of how messages stand. */
export type MessageStatus = EventData["message.status"];

/** A message that waits for its answer, or was refused. */
export interface Said {
  /** What this device calls it: said again under this name, it is the same message. */
  readonly client_id: string;
  readonly conversation_id: string;
  readonly content: string;
  readonly created_at: string;
  /** Why the server did not take it. */
  readonly refused?: { readonly code: string; readonly message: string };
}

/** A message of a conversation. */
export interface ChatMessage {
  /** Absent until the server has answered. */
  readonly message_id: string | undefined;
  /** Its number in the conversation, from 1 without holes; absent until the server has answered. */
  readonly seq: number | undefined;
  readonly client_id: string | null;
  readonly sender_id: string;
  readonly content: string;
  readonly created_at: string;
  /** Of one's own messages, how far it has come. */
  readonly state: MessageState | undefined;
  /** Of one's own messages, how many have it, read it, and are there. */
  readonly delivered: number;
  readonly read: number;
  readonly of: number;
  /** Why it was refused. */
  readonly refused: Said["refused"];
}

/** What is known of a conversation. */
export interface Messages {
  /** The oldest first. */
  readonly messages: readonly ChatMessage[];
  /** Whether the server has older ones. */
  readonly older: boolean;
  /** Statuses whose message is not known yet. */
  readonly held: readonly MessageStatus[];
}

/** Before anything is known. */
export const NOTHING: Messages = { messages: [], older: false, held: [] };

/** Statuses that wait for their message; each newer one covers those before it, so that few are enough. */
const HELD_MAX = 100;
const FAR: readonly (MessageState | undefined)[] = ["SENDING", "SENT", "DELIVERED", "READ"];

/** Messages came: a page of the history, or one by itself. */
export function entered<Known extends Messages>(known: Known, me: string, bodies: readonly MessageBody[]): Known {
  const messages = [...known.messages];
  for (const body of bodies) {
    const own = body.sender_id === me;
    const named = ({ client_id, sender_id }: ChatMessage) => own && client_id === body.client_id && sender_id === me;
    const at = messages.findIndex(
      (one) => one.message_id === body.message_id || (body.client_id !== null && one.seq === undefined && named(one)),
    );
    const { standing, conversation_id: _here, ...said } = body;
    const before = at < 0 ? undefined : messages[at];
    const fresh: ChatMessage = {
      ...said,
      state: own ? further(before?.state, standing?.status ?? "SENT") : undefined,
      delivered: Math.max(before?.delivered ?? 0, standing?.delivered ?? 0),
      read: Math.max(before?.read ?? 0, standing?.read ?? 0),
      of: standing?.of ?? before?.of ?? 0,
      refused: undefined,
    };
    if (at < 0) messages.push(fresh);
    else messages[at] = fresh;
  }
  return settled({ ...known, messages }, me);
}

/** Something is said here, or was said before the page was loaded: it is on its way. */
export function saying<Known extends Messages>(known: Known, me: string, said: Said): Known {
  const { conversation_id: _here, refused, ...more } = said;
  const fresh: ChatMessage = {
    ...more,
    message_id: undefined,
    seq: undefined,
    sender_id: me,
    state: refused ? "REFUSED" : "SENDING",
    ...{ delivered: 0, read: 0, of: 0 },
    refused,
  };
  const at = known.messages.findIndex(({ client_id, sender_id }) => client_id === said.client_id && sender_id === me);
  // One that has a number is with the server, whatever else is said of it.
  if (at >= 0 && known.messages[at]?.seq !== undefined) return known;
  const messages = at < 0 ? [...known.messages, fresh] : known.messages.with(at, fresh);
  return settled({ ...known, messages }, me);
}

/** The server has what was said. */
export function answered<Known extends Messages>(
  known: Known,
  me: string,
  said: Said,
  { message_id, seq }: { message_id: string; seq: number },
): Known {
  const { client_id, content, conversation_id, created_at } = said;
  // Its own event may have come first, and knows better when it was said.
  if (known.messages.some((one) => one.message_id === message_id)) return withdrawn(known, client_id);
  return entered(known, me, [{ message_id, seq, sender_id: me, client_id, content, conversation_id, created_at }]);
}

/** What was said and has no number is shown no more. */
export function withdrawn<Known extends Messages>(known: Known, clientId: string): Known {
  const messages = known.messages.filter(({ client_id, seq }) => seq !== undefined || client_id !== clientId);
  return messages.length === known.messages.length ? known : { ...known, messages };
}

/** The server says how one's own messages stand. */
export function stands<Known extends Messages>(known: Known, me: string, status: MessageStatus): Known {
  return settled({ ...known, held: [...known.held, status].slice(-HELD_MAX) }, me);
}

/** The message above the newest hole in the numbers; nothing where there is none. */
export function gap({ messages }: Messages): ChatMessage | undefined {
  return messages.findLast(({ seq }, at) => {
    const before = messages[at - 1]?.seq;
    return seq !== undefined && before !== undefined && seq > before + 1;
  });
}

/** What stands before a message is shown no more: nobody knows what belongs between, or it is too much. */
export function cut<Known extends Messages>(known: Known, from: number, older: boolean): Known {
  return { ...known, messages: known.messages.filter(({ seq }) => seq === undefined || seq >= from), older };
}

/** Puts messages in their order, and applies the statuses that have their message now. */
function settled<Known extends Messages>(known: Known, me: string): Known {
  let messages = known.messages.toSorted(inOrder);
  const held: MessageStatus[] = [];
  for (const status of known.held) {
    const { up_to = status.message_id } = status;
    const upTo = messages.find(({ message_id }) => message_id === up_to)?.seq;
    if (upTo === undefined) held.push(status);
    else messages = messages.map((one) => (one.sender_id === me ? moved(one, upTo, status) : one));
  }
  // The first has the number 1, however it came.
  return { ...known, messages, held, older: known.older && messages[0]?.seq !== 1 };
}

function inOrder(one: ChatMessage, other: ChatMessage): number {
  if (one.seq !== undefined && other.seq !== undefined) return one.seq - other.seq;
  if (one.seq === undefined && other.seq === undefined) return (one.client_id ?? "") < (other.client_id ?? "") ? -1 : 1;
  return one.seq === undefined ? 1 : -1;
}

/** A message after a status that holds up to a number. */
function moved(message: ChatMessage, upTo: number, status: MessageStatus): ChatMessage {
  if (message.seq === undefined || message.seq > upTo) return message;
  // Of two people there are no counts: the one other is all of them.
  const of = status.of ?? 1;
  const reached = {
    delivered: status.delivered ?? (status.status === "SENT" ? 0 : 1),
    read: status.read ?? (status.status === "READ" ? 1 : 0),
  };
  const all = (count: number) => of > 0 && count >= of;
  const state = all(reached.read) ? "READ" : all(reached.delivered) ? "DELIVERED" : "SENT";
  // Who saw an older message saw this one: all of them, or, where as many saw both, at least so many.
  const own = message.seq === upTo || message.of === 0 ? of : message.of;
  const count = (before: number, now: number) => (all(now) ? own : Math.max(before, own === of ? now : 0));
  return {
    ...message,
    state: further(message.state, state),
    delivered: count(message.delivered, reached.delivered),
    read: count(message.read, reached.read),
    of: own,
  };
}

function further(before: MessageState | undefined, now: MessageState): MessageState {
  return before !== undefined && FAR.indexOf(before) > FAR.indexOf(now) ? before : now;
}
