// The outbox: what was said in conversations and has no answer yet. It outlives the page, and says each thing under one
// name until the server has answered, so that it is one message however often it is said.

import type { Client } from "./client.js";
import type { Said } from "./chat-messages.js";
import { Database } from "./database.js";
import { TidingsError, asError } from "./error.js";
import { claims } from "./token.js";
import { before, sleep } from "./wait.js";

/** Keeps what was said, by owner: a server and a person. */
export interface SaidStore {
  /** Everything of an owner, the oldest first. */
  all(owner: string): Promise<Said[]>;
  put(owner: string, said: Said): Promise<void>;
  remove(owner: string, clientId: string): Promise<void>;
}

/** Forgets everything with the process. */
export class MemorySaid implements SaidStore {
  readonly #kept = new Map<string, Said>();

  async all(owner: string): Promise<Said[]> {
    const of = [...this.#kept].filter(([key]) => key.startsWith(`${owner} `));
    return of.map(([, said]) => said).toSorted((one, other) => (one.client_id < other.client_id ? -1 : 1));
  }

  async put(owner: string, said: Said): Promise<void> {
    this.#kept.set(`${owner} ${said.client_id}`, said);
  }

  async remove(owner: string, clientId: string): Promise<void> {
    this.#kept.delete(`${owner} ${clientId}`);
  }
}

/** Keeps it in the browser, for all pages of the origin; in memory where the browser gives no room. */
export class IndexedDbSaid implements SaidStore {
  readonly #memory = new MemorySaid();
  readonly #database = new Database("tidings-chat", "said");

  async all(owner: string): Promise<Said[]> {
    const here = await this.#memory.all(owner);
    try {
      const of = IDBKeyRange.bound([owner], [owner, []]);
      return [...((await this.#database.read((said) => said.getAll(of))) as Said[]), ...here];
    } catch {
      return here;
    }
  }

  async put(owner: string, said: Said): Promise<void> {
    try {
      await this.#database.write((kept) => kept.put(said, [owner, said.client_id]));
    } catch {
      await this.#memory.put(owner, said);
    }
  }

  async remove(owner: string, clientId: string): Promise<void> {
    await this.#memory.remove(owner, clientId);
    await this.#database.write((kept) => kept.delete([owner, clientId])).catch(() => undefined);
  }
}

/** The server's answer. */
export interface Answered {
  message_id: string;
  seq: number;
}

/** Who is told what becomes of what was said. */
export interface OutboxHost {
  answered(said: Said, answer: Answered): void;
  refused(said: Said): void;
}

/** How long one page may keep the others waiting; saying it twice is harmless, and never saying it is not. */
const TURN_MS = 60_000;

/** Says what its person said, one after the other. */
export class Outbox {
  readonly #client: Client;
  readonly #user: string;
  readonly #owner: string;
  readonly #store: SaidStore;
  readonly #host: OutboxHost;
  readonly #closed = new AbortController();
  #waiting: AbortController | undefined;
  #running: Promise<void> | undefined;
  #due = false;

  constructor(client: Client, user: string, store: SaidStore, host: OutboxHost) {
    this.#client = client;
    this.#user = user;
    this.#owner = `${client.base} ${user}`;
    this.#store = store;
    this.#host = host;
  }

  /** What waits here, and what was refused. */
  async waiting(): Promise<Said[]> {
    return await this.#store.all(this.#owner);
  }

  /** Keeps something until it is answered, and says it. Resolves when it is kept. */
  async put(said: Said): Promise<void> {
    await this.#store.put(this.#owner, said);
    this.wake();
  }

  /** Forgets something that was refused. */
  async remove(clientId: string): Promise<void> {
    await this.#store.remove(this.#owner, clientId);
  }

  /** Says what waits, at once: something was said, or the server is there again. */
  wake(): void {
    this.#due = true;
    this.#waiting?.abort();
    if (!this.#closed.signal.aborted) this.#running ??= this.#run();
  }

  /** Ends it; what waits is said when its person comes back. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closed;
    for (let attempt = 0; this.#due && !signal.aborted; ) {
      this.#due = false;
      const why = await this.#inTurn(() => this.#sayAll()).catch(asError);
      if (why === undefined) attempt = 0;
      else if (!why.final) {
        this.#due = true;
        const waiting = (this.#waiting = new AbortController());
        const wait = before(attempt, why.retryAfterMs, Math.random);
        attempt += 1;
        await sleep(wait, AbortSignal.any([signal, waiting.signal])).catch(() => undefined);
        this.#waiting = undefined;
      }
    }
    // Here and not a turn later: what is said next must find that nobody runs.
    this.#running = undefined;
  }

  /** One page after the other, so that the order is kept. */
  async #inTurn<Value>(say: () => Promise<Value>): Promise<Value> {
    if (typeof document === "undefined" || !("locks" in navigator)) return await say();
    const patience = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(TURN_MS)]);
    let begun: Promise<Value> | undefined;
    const turn = () => (begun = say());
    try {
      return await navigator.locks.request(`tidings chat ${this.#owner}`, { signal: patience }, turn);
    } catch (cause) {
      if (begun !== undefined || this.#closed.signal.aborted) throw cause;
      return await say();
    }
  }

  /** Says all that waits; answers why something has to wait on. */
  async #sayAll(): Promise<TidingsError | undefined> {
    let why: TidingsError | undefined;
    const held = new Set<string>();
    for (const said of await this.waiting()) {
      if (said.refused || held.has(said.conversation_id) || this.#closed.signal.aborted) continue;
      try {
        const answer = await this.#say(said);
        await this.#store.remove(this.#owner, said.client_id);
        this.#host.answered(said, answer);
      } catch (cause) {
        why = asError(cause);
        // What its own conversation hears next waits for it; if nobody answers at all, everything does.
        if (refuses(why)) await this.#refuse(said, why);
        else if (why.problem && why.problem.status !== 401 && why.problem.status !== 429) held.add(said.conversation_id);
        else return why.code === "too_many_requests" ? passing(why) : why;
        if (refuses(why)) why = undefined;
      }
    }
    return why;
  }

  async #refuse(said: Said, { code, message }: TidingsError): Promise<void> {
    const refused = { ...said, refused: { code, message } };
    await this.#store.put(this.#owner, refused);
    this.#host.refused(refused);
  }

  async #say({ conversation_id, content, client_id }: Said): Promise<Answered> {
    const path = `/api/v1/conversations/${encodeURIComponent(conversation_id)}/messages`;
    const body = { content, client_id };
    const { tokens } = this.#client;
    const post = (token: string) => {
      // What somebody said is not said in another's name.
      if ((claims(token).sub ?? this.#user) !== this.#user) throw otherUser(this.#user);
      const { signal } = this.#closed;
      return this.#client.json<Answered>(path, { method: "POST", body, token, signal });
    };
    const held = tokens.held();
    try {
      return await post(held ?? (await tokens.current()));
    } catch (cause) {
      const refused = asError(cause).problem?.status === 401;
      if (!refused || held === undefined || !tokens.renewable) throw cause;
      return await post(await tokens.ask("refused"));
    }
  }
}

/** Whether the server will never take it; a token that does not hold says nothing about what was said. */
function refuses({ final, problem }: TidingsError): boolean {
  return final && problem !== undefined && problem.status !== 401 && problem.status !== 429;
}

function passing({ code, message, retryAfterMs, problem }: TidingsError): TidingsError {
  return new TidingsError(code, message, { retryAfterMs, ...(problem ? { problem } : {}) });
}

function otherUser(user: string): TidingsError {
  return new TidingsError("other_user", `the token is no longer ${user}'s`, { final: true });
}
