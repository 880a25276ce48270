// What the package gives: `listen`, `inbox`, `send`, and the types of what goes over the wire.

export { type ClientOptions } from "./client.js";
export { type ErrorWord, type Problem, TidingsError } from "./error.js";
export type {
  BroadcastCreated,
  Event,
  EventData,
  EventOf,
  Frame,
  ItemCreated,
  NotRecovered,
  Priority,
  Ready,
  SessionData,
  SessionFrame,
  SignalData,
  SignalFrame,
} from "./frames.js";
export { type Inbox, type InboxOptions, type Preferences, inbox } from "./inbox.js";
export { type InboxItem, type InboxState, isUnread } from "./inbox-state.js";
export { type ListenOptions, type ListenState, type Listener, listen } from "./listen.js";
export { type Broadcast, type NewBroadcast, type SendOptions, send } from "./send.js";
export { type CursorStore, IndexedDbStore, type Kept, MemoryStore } from "./store.js";
export { type TokenSource, type TokenWhy } from "./token.js";
