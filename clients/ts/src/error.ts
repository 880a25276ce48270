// What can go wrong between a client and its server, and whether coming back helps.

/** A problem document (RFC 9457), as the server answers it. */
export interface Problem {
  /** The kind of problem as a stable word: `unauthorized`, `connection_limit` … */
  code: string;
  /** The kind of problem in words. */
  title: string;
  /** The HTTP status. */
  status: number;
  /** What is wrong this time, and what to do. */
  detail: string;
  /** Names the one request, as the server's log has it. */
  instance?: string;
  /** Each value of the body that is wrong. */
  errors?: { pointer: string; detail: string }[];
}

/** Words of our own, beside the codes of problems. */
export type ErrorWord =
  /** No connection, or it broke before the answer. */
  | "unreachable"
  /** No answer in time. */
  | "timeout"
  /** The server stops; it is back soon. */
  | "shutdown"
  /** The stream ended without a word. */
  | "ended"
  /** Nothing came, not even a heartbeat. */
  | "silent"
  /** The answer is not as documented. */
  | "undocumented"
  /** The application's `token()` failed. */
  | "token"
  /** The token became somebody else's while a stream was open. */
  | "other_user"
  /** What was handed in is of no use: an address that is none. */
  | "usage";

/** A request that failed, or the end of a stream. */
export class TidingsError extends Error {
  override readonly name = "TidingsError";
  /** A problem's code, or a word of ours. */
  readonly code: string;
  /** Whether trying again by itself cannot help: a token that does not hold, a bad request. */
  readonly final: boolean;
  /** How long the server asks to wait before the next try, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** What the server answered, where it did. */
  readonly problem: Problem | undefined;
  /** The `Idempotency-Key` of a `send` whose outcome is unknown: sending with it again tells. */
  idempotencyKey?: string;

  constructor(
    code: ErrorWord | (string & {}),
    message: string,
    more: { cause?: unknown; final?: boolean; retryAfterMs?: number | undefined; problem?: Problem } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.final = more.final ?? false;
    this.retryAfterMs = more.retryAfterMs;
    this.problem = more.problem;
  }
}

/** The most characters of a refusal that are read. */
const REFUSAL_CHARACTERS = 64 << 10;
/** The longest wait that is done because somebody asked for it: a proxy's mistake must not silence a client for days. */
const ASKED_MAX_MS = 300_000;

/**
 * What an answer that is no success says. 5xx and 408 may pass by themselves, 429 where the server says when to come
 * back; every other refusal stands until somebody does something about it.
 */
export async function refusal(answer: Response, now: number): Promise<TidingsError> {
  const text = await answer.text().catch(() => "");
  const problem = readProblem(text.slice(0, REFUSAL_CHARACTERS), answer.status);
  const retryAfterMs = retryAfter(answer.headers.get("retry-after"), now);
  const { status } = answer;
  const passes = status >= 500 || status === 408 || (status === 429 && retryAfterMs !== undefined);
  return new TidingsError(problem.code, problem.detail || problem.title, { final: !passes, retryAfterMs, problem });
}

function readProblem(text: string, status: number): Problem {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    // Not ours: a proxy's page, or nothing.
  }
  const given: Partial<Problem> = typeof said === "object" && said !== null ? said : {};
  const word = (value: unknown, otherwise: string) => (typeof value === "string" ? value : otherwise);
  const title = word(given.title, `the server answered ${status}`);
  return { ...given, code: word(given.code, `http_${status}`), title, status, detail: word(given.detail, "") };
}

/** `Retry-After` in milliseconds: seconds, or a date as proxies send it. */
export function retryAfter(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  const asked = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isNaN(asked) ? undefined : Math.min(Math.max(asked, 0), ASKED_MAX_MS);
}

/** Whatever was thrown, as an error of ours; what we do not know is no fault that passes. */
export function asError(thrown: unknown): TidingsError {
  if (thrown instanceof TidingsError) return thrown;
  return new TidingsError("undocumented", String(thrown), { cause: thrown, final: true });
}
