// A token from an address of the application's own server, for pages that write no code.

import { TidingsError } from "./error.js";

/**
 * Asks an address for a token: plain text, or JSON with `token`. The page's own cookies say who asks, where the address
 * is of the page's origin.
 */
export function tokenFrom(address: URL): () => Promise<string> {
  return () => ask(address);
}

async function ask(address: URL): Promise<string> {
  const answer = await fetch(address, { cache: "no-store", headers: { accept: "application/json, text/plain;q=0.9" } });
  const text = await answer.text();
  if (!answer.ok) {
    // Nobody is signed in: asking again does not change that.
    const final = answer.status >= 400 && answer.status < 500;
    throw new TidingsError("token", `${address.pathname} answered ${answer.status}`, { final });
  }
  if (!text.trimStart().startsWith("{")) return text.trim();
  const said = JSON.parse(text) as { token?: unknown };
  return typeof said.token === "string" ? said.token : "";
}
