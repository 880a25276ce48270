// How long a listener waits before it comes back, and waiting that can be cut short.

/** The bound before the first try again, in milliseconds. */
const FIRST_MS = 500;
/** The largest bound. */
const MAX_MS = 30_000;

/** The bound before try `attempt`, counted from 0: it doubles from half a second to thirty. */
export function bound(attempt: number): number {
  return Math.min(FIRST_MS * 2 ** Math.min(attempt, 16), MAX_MS);
}

/**
 * The wait before try `attempt`: what the server asked for, which it has spread itself, or a random share of the
 * bound (full jitter), so that those who lost the server together do not come back together.
 */
export function before(attempt: number, askedMs: number | undefined, random: () => number): number {
  return askedMs ?? bound(attempt) * random();
}

/** Resolves after `ms`, or rejects with the signal's reason as soon as it is aborted. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal.addEventListener("abort", abort, { once: true });
  });
}
