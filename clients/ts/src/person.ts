// Who a client's token says it is.

import type { Client } from "./client.js";
import { type TidingsError, asError } from "./error.js";
import { claims } from "./token.js";
import { before, sleep } from "./wait.js";

/**
 * Whom the token names; nothing where it names nobody. Asks until the application gives a token, and throws where
 * asking again is no use.
 */
export async function personOf(
  client: Client,
  signal: AbortSignal,
  waits: (why: TidingsError) => void = () => undefined,
): Promise<string | undefined> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return claims(await client.tokens.current()).sub;
    } catch (cause) {
      const why = asError(cause);
      if (why.final) throw why;
      waits(why);
      await sleep(before(attempt, why.retryAfterMs, Math.random), signal);
    }
  }
}
