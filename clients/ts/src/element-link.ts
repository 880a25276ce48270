// Links that a message brings: what somebody else wrote becomes a place to go to, or nothing.

/** What a click may open. A `javascript:` or `data:` address would run in the page. */
const SCHEMES: ReadonlySet<string> = new Set(["https:", "http:", "mailto:", "tel:"]);

/** The address of a link, whole; nothing where it is none that a click may open. */
export function safeLink(address: string | null, base: string): string | undefined {
  if (address === null || !URL.canParse(address, base)) return undefined;
  const url = new URL(address, base);
  return SCHEMES.has(url.protocol) ? url.href : undefined;
}
