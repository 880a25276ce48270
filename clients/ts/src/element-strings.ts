// What `<tidings-inbox>` says: every word of it, for an application to replace in its own language.

/** The words of `<tidings-inbox>`. */
export interface Strings {
  /** What it is; names the bell and the panel. */
  label: string;
  /** So many are unread; follows the label at the bell. */
  unread: (count: number) => string;
  /** A single item is unread. */
  unreadItem: string;
  readAll: string;
  close: string;
  loading: string;
  empty: string;
  /** The list could not be loaded. */
  failed: string;
  retry: string;
  /** The stream is away; what is shown may be old. */
  stale: string;
  /** The server does not let this token in, and coming back by itself would not help. */
  refused: string;
  more: string;
  remove: (title: string) => string;
  /** So many came while the page was open; `title` is the newest one's. */
  arrived: (count: number, title: string) => string;
  high: string;
  urgent: string;
  /** Somebody follows the person now. */
  followed: (who: string) => string;
  /** Another item that has neither title nor content. */
  untitled: string;
  /** Names the preferences, and the button that shows them. */
  preferences: string;
  mute: string;
  /** There is nothing that could be muted. */
  noCategories: string;
  quietHours: string;
  onlyUrgent: string;
  from: string;
  to: string;
  save: string;
  saved: string;
}

/** English. */
export const ENGLISH: Strings = {
  label: "Messages",
  unread: (count) => `${count} unread`,
  unreadItem: "unread",
  readAll: "Mark all as read",
  close: "Close",
  loading: "Loading…",
  empty: "Nothing here yet",
  failed: "Your messages could not be loaded.",
  retry: "Try again",
  stale: "No connection at the moment. What you see may be old.",
  refused: "You are signed out. Sign in again to see what is new.",
  more: "Show older ones",
  remove: (title) => `Remove: ${title}`,
  arrived: (count, title) => (count === 1 ? `New message: ${title}` : `${count} new messages. The newest: ${title}`),
  high: "Important",
  urgent: "Urgent",
  followed: (who) => `${who} follows you`,
  untitled: "Message",
  preferences: "Preferences",
  mute: "Mute",
  noCategories: "No categories yet",
  quietHours: "Quiet hours",
  onlyUrgent: "Only urgent messages in these hours",
  from: "From",
  to: "to",
  save: "Save",
  saved: "Saved",
};

const UNITS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["minute", 60],
  ["hour", 3600],
  ["day", 86_400],
];

/** How long ago something was: "5 minutes ago"; after a week its date. */
export function ago(at: Date, now: number, locale: string | undefined): string {
  const seconds = Math.max(0, Math.round((now - at.getTime()) / 1000));
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "long" });
  if (seconds < 60) return relative.format(0, "second");
  if (seconds > 7 * 86_400) return at.toLocaleDateString(locale, { dateStyle: "medium" });
  const [unit, length] = UNITS.findLast(([, length]) => seconds >= length) ?? ["minute", 60];
  return relative.format(-Math.floor(seconds / length), unit);
}
