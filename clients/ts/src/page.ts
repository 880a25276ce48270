// A page goes to the background and comes back, loses the network and finds it again. Where there is no page, nothing
// of it happens.

/** Who is told. */
export interface PageHost {
  /** Somebody looks at the page again. */
  seen(): void;
  /** The network is there again; it may be another one. */
  online(): void;
  /** The page may be gone in a moment. */
  leaves(): void;
}

/** Tells what happens to the page until the signal is aborted. */
export function watchPage(host: PageHost, signal: AbortSignal): void {
  if (typeof document === "undefined") return;
  const seen = () => document.visibilityState === "visible" && host.seen();
  document.addEventListener("visibilitychange", seen, { signal });
  addEventListener("pageshow", ({ persisted }) => persisted && host.seen(), { signal });
  addEventListener("pagehide", () => host.leaves(), { signal });
  addEventListener("online", () => host.online(), { signal });
}
