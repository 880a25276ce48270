// Waiting for a condition, with a limit: no test sleeps for a fixed time.

const LIMIT_MS = 60_000;
const LOOK_MS = 20;

/** Looks until `found` answers something, or the limit is over. */
export async function until(what, found) {
  const ends = Date.now() + LIMIT_MS;
  for (;;) {
    const answer = await found();
    if (answer) return answer;
    if (Date.now() > ends) throw new Error(`did not happen in time: ${what}`);
    await new Promise((look) => setTimeout(look, LOOK_MS));
  }
}
