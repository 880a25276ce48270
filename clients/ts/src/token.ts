// The token: asked of the application, remembered while it holds.

import { TidingsError } from "./error.js";

/** Why a token is asked for. */
export type TokenWhy =
  /** None is in hand. */
  | "first"
  /** The one in hand ends soon, or has ended. */
  | "expiring"
  /** The server did not take the one in hand. */
  | "refused";

/**
 * A token, or who gives one: usually a call to your own server. What a function gave is remembered, for all who were
 * handed the same function, until it ends or one of them is closed: close what listens when somebody signs out.
 */
export type TokenSource = string | ((why: TokenWhy) => string | Promise<string>);

/** How long before its end a token is no longer sent, if it lives long enough for that. */
const MARGIN_MS = 30_000;
/** How long a token is remembered at least, whatever it says of its end: clocks differ, and the server's decides. */
const HELD_MIN_MS = 5_000;
/** How long an application may take to give one. */
const GIVE_MS = 30_000;

/** What one source gave. */
export class Tokens {
  readonly #source: TokenSource;
  readonly #now: () => number;
  #held: string | undefined;
  #heldUntil = 0;
  #asking: Promise<string> | undefined;

  constructor(source: TokenSource, now: () => number) {
    this.#source = source;
    this.#now = now;
  }

  /** The tokens of a source: one memory for all who have the same function. */
  static of(source: TokenSource, now: () => number = Date.now): Tokens {
    if (typeof source === "string") return new Tokens(source, now);
    const known = remembered.get(source) ?? new Tokens(source, now);
    remembered.set(source, known);
    return known;
  }

  /** Whether the application can be asked for another. */
  get renewable(): boolean {
    return typeof this.#source === "function";
  }

  /** The token in hand if it holds for a while; nothing where one must be asked for. */
  held(): string | undefined {
    return this.#now() < this.#heldUntil ? this.#held : undefined;
  }

  /** The token in hand, or a new one. */
  async current(): Promise<string> {
    return this.held() ?? (await this.ask(this.#held === undefined ? "first" : "expiring"));
  }

  /** Remembers nothing of what was given: its person may have signed out. */
  forget(): void {
    this.#held = undefined;
  }

  /** A new one. Who asks at the same time is given the same. */
  async ask(why: TokenWhy): Promise<string> {
    this.#asking ??= this.#give(why).finally(() => (this.#asking = undefined));
    return await this.#asking;
  }

  async #give(why: TokenWhy): Promise<string> {
    const source = this.#source;
    let token: unknown;
    try {
      token = typeof source === "function" ? await inTime(Promise.resolve(source(why))) : source;
    } catch (cause) {
      // The application's own server may be away; its refusal is a TidingsError that says it is final.
      if (cause instanceof TidingsError) throw cause;
      throw new TidingsError("token", `the application gave no token: ${String(cause)}`, { cause });
    }
    if (typeof token !== "string" || !/^[\w.~+/=-]+$/.test(token)) {
      throw new TidingsError("token", "`token` must give a token: letters, digits and `.-_` alone", { final: true });
    }
    this.#held = token;
    const { exp } = claims(token);
    const life = exp === undefined ? Infinity : exp * 1000 - this.#now();
    this.#heldUntil = this.#now() + Math.max(HELD_MIN_MS, life / 2, life - MARGIN_MS);
    return token;
  }
}

const remembered = new WeakMap<Exclude<TokenSource, string>, Tokens>();

/** What an application gives, or an error if it takes too long. */
async function inTime(giving: Promise<string>): Promise<string> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_given, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came within ${GIVE_MS / 1000} s`)), GIVE_MS);
  });
  return await Promise.race([giving, late]).finally(() => clearTimeout(timer));
}

/** What a token says of itself. Nobody verified it: it decides where a cursor is kept, and nothing else. */
export function claims(token: string): { sub: string | undefined; exp: number | undefined } {
  try {
    const middle = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(middle), (letter) => letter.charCodeAt(0));
    const said = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    return {
      sub: typeof said["sub"] === "string" ? said["sub"] : undefined,
      exp: typeof said["exp"] === "number" ? said["exp"] : undefined,
    };
  } catch {
    return { sub: undefined, exp: undefined };
  }
}
