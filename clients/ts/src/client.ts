// A client speaks to one server as one caller: requests with a token, and answers or what was refused.

import { TidingsError, refusal } from "./error.js";
import { Tokens, type TokenSource } from "./token.js";

/** Which server, and as whom. */
export interface ClientOptions {
  /** Where it is: `https://tidings.example.com`, with a path where it lies under one. */
  server: string | URL;
  /** The caller's token, or who gives one. */
  token: TokenSource;
  /** What sends requests; the platform's own `fetch` where it is absent. */
  fetch?: typeof fetch;
}

/** A request. */
export interface Asked {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  /** What becomes the JSON body. */
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** Sent on even if the page goes away; for small bodies. */
  keepalive?: boolean;
  /** This token, rather than the one in hand. */
  token?: string;
}

/** How long an answer may take. */
const ANSWER_MS = 30_000;

/** Speaks to one server. */
export class Client {
  /** The server's address, without a slash at its end. */
  readonly base: string;
  readonly tokens: Tokens;
  readonly #fetch: typeof fetch;
  readonly #now: () => number;

  constructor(options: ClientOptions, now: () => number = Date.now) {
    this.base = baseOf(options.server);
    this.tokens = Tokens.of(options.token, now);
    // As a plain function: a browser's own does not let itself be called as a method of ours.
    const given = options.fetch;
    this.#fetch = given ?? ((input, init) => globalThis.fetch(input, init));
    this.#now = now;
  }

  /** Sends a request and waits for the head of its answer; rejects with a {@link TidingsError} unless it is a success. */
  request(path: string, asked: Asked = {}): Promise<Response> {
    return this.#within(path, asked, async (answer) => answer);
  }

  /** Sends a request and reads its answer, which is JSON. */
  json<Answer>(path: string, asked: Asked = {}): Promise<Answer> {
    return this.#within(path, asked, async (answer) => {
      const text = await answer.text().catch((cause: unknown) => {
        throw new TidingsError("unreachable", `the answer of ${path} was cut`, { cause });
      });
      try {
        return JSON.parse(text) as Answer;
      } catch (cause) {
        throw new TidingsError("undocumented", `the answer of ${path} is no JSON`, { cause });
      }
    });
  }

  async #within<Read>(path: string, asked: Asked, read: (answer: Response) => Promise<Read>): Promise<Read> {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(late(path)), ANSWER_MS);
    const signal = asked.signal ? AbortSignal.any([asked.signal, timeout.signal]) : timeout.signal;
    try {
      const held = asked.token ?? this.tokens.held();
      let answer = await this.#send(path, { ...asked, signal, token: held ?? (await this.tokens.current()) });
      // The token in hand may have been withdrawn; one that was given just now is not asked for again.
      const again = held !== undefined && asked.token === undefined && this.tokens.renewable;
      if (answer.status === 401 && again) {
        answer = await this.#send(path, { ...asked, signal, token: await this.tokens.ask("refused") });
      }
      if (!answer.ok) throw await refusal(answer, this.#now());
      return await read(answer);
    } finally {
      clearTimeout(timer);
    }
  }

  async #send(path: string, asked: Asked & { signal: AbortSignal; token: string }): Promise<Response> {
    const { method = "GET", body, signal, keepalive = false } = asked;
    const headers = { ...asked.headers, authorization: `Bearer ${asked.token}` };
    const init: RequestInit = { method, signal, keepalive, credentials: "omit", cache: "no-store", headers };
    if (body !== undefined) {
      init.headers = { ...headers, "content-type": "application/json" };
      init.body = JSON.stringify(body);
    }
    try {
      return await this.#fetch(this.base + path, init);
    } catch (cause) {
      signal.throwIfAborted();
      throw new TidingsError("unreachable", `could not reach ${this.base}`, { cause });
    }
  }
}

function late(path: string): TidingsError {
  return new TidingsError("timeout", `no answer of ${path} within ${ANSWER_MS / 1000} s`);
}

function baseOf(server: string | URL): string {
  const here = typeof document === "undefined" ? undefined : document.baseURI;
  let url: URL;
  try {
    url = new URL(server, here);
  } catch (cause) {
    throw new TidingsError("usage", `\`${server}\` is no address of a server`, { cause, final: true });
  }
  if (!/^https?:$/.test(url.protocol) || url.search !== "" || url.hash !== "") {
    throw new TidingsError("usage", `\`${server}\`: use http://host or https://host`, { final: true });
  }
  return url.href.replace(/\/+$/, "");
}
