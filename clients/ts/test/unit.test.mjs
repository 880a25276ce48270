// What needs no server: reading, waiting, remembering, and how an inbox changes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { refusal, retryAfter } from "../dist/error.js";
import { read } from "../dist/frames.js";
import { EMPTY, arrived, continued, expired, gone, itemOf, loaded, wereRead } from "../dist/inbox-state.js";
import { safeLink } from "../dist/element-link.js";
import { ago } from "../dist/element-strings.js";
import { Queue } from "../dist/queue.js";
import { Seen } from "../dist/seen.js";
import { Parser } from "../dist/sse.js";
import { Tokens, claims } from "../dist/token.js";
import { before, bound, sleep } from "../dist/wait.js";
import { mint } from "./server.mjs";

test("a block is the same wherever the stream is split and however its lines end", () => {
  const text = "\uFEFFid: 7\nevent: note\ndata: grüße\ndata: zwei\n\n: hb\n\nretry: 2500\nevent: ready\ndata:{}\n\n";
  const wanted = [
    { event: "note", data: "grüße\nzwei", id: "7" },
    { event: "ready", data: "{}", id: undefined },
  ];
  for (const ending of ["\n", "\r\n", "\r"]) {
    const whole = text.replaceAll("\n", ending);
    for (let split = 0; split <= whole.length; split += 1) {
      const parser = new Parser();
      const blocks = [...parser.push(whole.slice(0, split)), ...parser.push(whole.slice(split))];
      assert.deepEqual(blocks, wanted, `${JSON.stringify(ending)} split at ${split}`);
      assert.equal(parser.retryMs, 2500);
    }
  }
});

test("an unfinished block is not given, and one without data neither", () => {
  assert.deepEqual(new Parser().push("id: 1\nevent: x\n\ndata: a\n"), []);
});

test("a line without an end is given up", () => {
  const parser = new Parser();
  assert.throws(() => parser.push("x".repeat((4 << 20) + 1)), { code: "undocumented" });
});

test("an event is told from a word of the session and from a mere cursor", () => {
  const event = { id: "evt_1", type: "broadcast.created", subject: "brd_1", data: {} };
  const block = { event: event.type, data: JSON.stringify(event), id: "c1" };
  assert.deepEqual(read(block), { frame: event, id: "evt_1", cursor: "c1" });
  assert.deepEqual(read({ ...block, id: undefined }), { frame: event, id: "evt_1" });
  assert.deepEqual(read({ event: "digest", data: '{"pending":3}', id: undefined }), {
    frame: { type: "digest", data: { pending: 3 } },
  });
  const typing = { type: "typing", channel: "conversation:cnv_1", time: "2026-01-31T09:30:00.000Z", data: {} };
  assert.deepEqual(read({ event: "typing", data: JSON.stringify(typing), id: undefined }), { frame: typing });
  assert.deepEqual(read({ event: "cursor", data: '{"cursor":"c2"}', id: "c2" }), { cursor: "c2" });
  for (const data of ["", "no json", "7", '{"type":"x"}', '{"type":"x","id":7,"data":{}}']) {
    assert.throws(() => read({ event: "x", data, id: undefined }), { code: "undocumented" }, data);
  }
});

test("the bound of a wait doubles from half a second to thirty, and a wait is a random share of it", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 6, 99].map(bound), [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  assert.equal(before(3, undefined, () => 0.25), 1000);
  assert.equal(before(3, undefined, () => 0), 0);
  assert.equal(before(3, 7000, () => 0.25), 7000);
});

test("a wait ends with its signal", async () => {
  const ends = new AbortController();
  const waiting = sleep(1e9, ends.signal);
  ends.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
});

test("an id is known until it is forgotten", () => {
  const seen = new Seen(2);
  for (const id of ["1", "2", "2", "3"]) seen.add(id);
  assert.deepEqual(["1", "2", "3"].map((id) => seen.has(id)), [false, true, true]);
  assert.deepEqual(seen.newest(1), ["3"]);
});

test("a full queue lets its filler wait, and keeps the order", async () => {
  const queue = new Queue(1);
  await queue.push(1);
  assert.equal(queue.offer(2), false);
  const waits = queue.push(2);
  assert.equal(await queue.take(), 1);
  await waits;
  assert.equal(await queue.take(), 2);
});

test("a refusal is final unless it passes by itself", async () => {
  const refused = (status, headers = {}) => refusal(new Response('{"code":"c","detail":"d"}', { status, headers }), 0);
  for (const status of [400, 401, 403, 404, 409, 422, 429]) assert.equal((await refused(status)).final, true, status);
  for (const status of [408, 500, 502, 503]) assert.equal((await refused(status)).final, false, status);
  const limited = await refused(429, { "retry-after": "5" });
  assert.deepEqual([limited.final, limited.retryAfterMs, limited.code, limited.message], [false, 5000, "c", "d"]);
  assert.equal((await refusal(new Response("<html>", { status: 502 }), 0)).code, "http_502");
});

test("Retry-After is read in seconds and as a date, and no word silences a client for long", () => {
  assert.equal(retryAfter("5", 0), 5000);
  assert.equal(retryAfter("Thu, 01 Jan 1970 00:00:09 GMT", 2000), 7000);
  assert.equal(retryAfter("86400", 0), 300_000);
  assert.equal(retryAfter("soon", 0), undefined);
  assert.equal(retryAfter(null, 0), undefined);
});

test("a token is asked for once, remembered while it holds, and asked for again before it ends", async () => {
  let now = Date.now();
  const asked = [];
  const tokens = new Tokens((why) => (asked.push(why), mint("s", "alice", { seconds: 60 })), () => now);
  const [one, same] = await Promise.all([tokens.current(), tokens.current()]);
  assert.equal(one, same);
  now += 25_000;
  await tokens.current();
  assert.deepEqual(asked, ["first"]);
  now += 10_000;
  await tokens.current();
  assert.deepEqual(asked, ["first", "expiring"]);
});

test("a token that seems to have ended already is used for a moment: clocks differ", async () => {
  let now = Date.now();
  const asked = [];
  const tokens = new Tokens((why) => (asked.push(why), mint("s", "alice", { seconds: -55 })), () => now);
  assert.equal(await tokens.current(), await tokens.current());
  now += 6000;
  await tokens.current();
  assert.deepEqual(asked, ["first", "expiring"]);
});

test("what is no token is refused for good, and an application that fails is asked again", async () => {
  for (const wrong of ["", "a b", "a\nb", undefined, 7]) {
    await assert.rejects(new Tokens(() => wrong, Date.now).current(), { code: "token", final: true });
  }
  const failing = new Tokens(() => Promise.reject(new Error("away")), Date.now);
  await assert.rejects(failing.current(), { code: "token", final: false });
});

test("an application that never gives a token is not waited for without end", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const asking = new Tokens(() => new Promise(() => {}), Date.now).current();
  t.mock.timers.tick(30_000);
  await assert.rejects(asking, { code: "token", final: false });
});

test("the name in a token is read whatever its letters, and nonsense names nobody", () => {
  assert.equal(claims(mint("s", "Zoë ÿ 😀")).sub, "Zoë ÿ 😀");
  for (const nonsense of ["", "a", "a.b.c", "a.e30.c", "a.bnVsbA.c"]) assert.equal(claims(nonsense).sub, undefined);
});

const item = (id, more = {}) => ({
  id, priority: "normal", created_at: "2026-01-05T09:00:00.000Z", expires_at: null, read_at: null, state: "pending", ...more,
});
const ids = ({ items }) => items.map(({ id }) => id).join("");
const page = (items, next_cursor = null) => ({ items, next_cursor });

test("an item that arrives stands where the server's list would have it, and counts once", () => {
  let state = loaded(EMPTY, page([item("a", { priority: "high" }), item("b")]), 2, []);
  const later = "2026-01-05T10:00:00.000Z";
  state = arrived(state, item("c", { created_at: later }));
  state = arrived(state, item("c", { created_at: later }));
  assert.deepEqual([ids(state), state.unread], ["acb", 3]);
  state = arrived(state, item("d", { priority: "urgent" }));
  assert.equal(ids(state), "dacb");
});

test("an item that belongs to a page which is not loaded is counted and not shown", () => {
  const state = arrived(loaded(EMPTY, page([item("a")], "next"), 1, []), item("z", { priority: "low" }));
  assert.deepEqual([ids(state), state.unread], ["a", 2]);
});

test("a page that is loaded again keeps what came by itself a moment ago, and the next page brings nothing twice", () => {
  let state = loaded(EMPTY, page([item("a")], "next"), 1, [item("b", { priority: "high" })]);
  assert.equal(ids(state), "ba");
  state = continued(state, page([item("a"), item("c")]));
  assert.deepEqual([ids(state), state.next], ["bac", null]);
});

test("reading counts what was unread, and the server's own count wins", () => {
  const state = loaded(EMPTY, page([item("a"), item("b"), item("c", { read_at: "x" })]), 5, []);
  assert.equal(wereRead(state, "t", ["a", "c", "elsewhere"]).unread, 4);
  assert.equal(wereRead(state, "t", ["a"], 2).unread, 2);
  assert.equal(wereRead(state, "t").unread, 0);
  assert.deepEqual(wereRead(state, "t").items.map((one) => one.read_at), ["t", "t", "x"]);
});

test("what is cancelled, taken out or expired leaves the list and the count", () => {
  const state = loaded(EMPTY, page([item("a"), item("b", { read_at: "x" }), item("c", { expires_at: "1970-01-02" })]), 2, []);
  assert.deepEqual([ids(gone(state, ["a", "b"])), gone(state, ["a", "b"]).unread], ["c", 1]);
  assert.equal(gone(state, ["z"]), state);
  assert.equal(ids(expired(state, Date.parse("1970-01-03"))), "ab");
});

test("an event brings an item if it is a broadcast, or names itself and its kind", () => {
  const event = { id: "evt_1", subject: "x_1", time: "t", type: "invoice.paid", data: { id: "x_1", kind: "invoice", title: "Paid" } };
  assert.deepEqual(itemOf(event).kind, "invoice");
  assert.equal(itemOf({ ...event, type: "broadcast.created", data: { content: "Hi" } }).content, "Hi");
  const post = { post_id: "x_1", author_id: "ada", title: "On the engine", excerpt: "It weaves", created_at: "t" };
  const { kind, title, content, sender_id, data } = itemOf({ ...event, type: "post.created", data: post });
  assert.deepEqual([kind, title, content, sender_id, data], ["post", "On the engine", "It weaves", "ada", { post_id: "x_1" }]);
  const follow = itemOf({ ...event, type: "user.followed", data: { follower_id: "bob", created_at: "t" } });
  assert.deepEqual([follow.kind, follow.sender_id, follow.title], ["follow", "bob", null]);
  assert.equal(itemOf({ ...event, data: { number: 7 } }), undefined);
  assert.equal(itemOf({ ...event, data: null }), undefined);
  assert.equal(itemOf({ type: "digest", data: { pending: 1 } }), undefined);
});

test("a link leads to the web, to mail or to a telephone, and nowhere else", () => {
  const base = "https://app.example.com/orders";
  assert.equal(safeLink("/orders/7", base), "https://app.example.com/orders/7");
  assert.equal(safeLink("https://x.example/", base), "https://x.example/");
  assert.equal(safeLink("mailto:a@example.com", base), "mailto:a@example.com");
  for (const bad of ["javascript:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "blob:x", "file:///etc", "vbscript:x", "https://", null]) {
    assert.equal(safeLink(bad, base), undefined, String(bad));
  }
});

test("an age is said in the largest unit that fits", () => {
  const now = Date.parse("2026-01-05T12:00:00Z");
  const said = (back) => ago(new Date(now - back * 1000), now, "en");
  assert.deepEqual([5, 90, 7200, 90_000].map(said), ["now", "1 minute ago", "2 hours ago", "yesterday"]);
  assert.match(said(30 * 86_400), /2025/);
});
