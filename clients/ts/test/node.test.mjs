// The client in Node, against the real server.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { MemoryStore, TidingsError, inbox, listen, send } from "../dist/index.js";
import { Relay } from "./relay.mjs";
import { Server, mint } from "./server.mjs";
import { until } from "./until.mjs";

let server;
before(async () => (server = await Server.start()));
after(() => server.remove());

const all = (content) => ({ content, target: { type: "all" } });
const to = (user, content) => ({ content, target: { type: "selected", ids: [user] } });
/** A person with a token of the server's secret. */
const as = (user, claims) => ({ server: server.url, token: server.token(user, claims) });

/** What a test opened, and may have left open where it failed. */
const open = new Set();
afterEach(async () => {
  for (const one of open) await one.close();
  open.clear();
});
const kept = (one) => (open.add(one), one);

/** An inbox. */
const opened = (options) => kept(inbox(options));
/** A server of the test's own, to be killed. */
const another = async (env) => {
  const own = await Server.start(env);
  open.add({ close: () => own.remove() });
  return own;
};
const relayTo = async (port) => kept(await Relay.to(port));

/** Listens and notes the content of each broadcast. */
function heard(options, more = {}) {
  const contents = [];
  const frames = [];
  const onFrame = (frame) => {
    frames.push(frame);
    if (frame.type === "broadcast.created") contents.push(frame.data.content);
  };
  const listener = kept(listen({ ...options, onFrame, ...more }));
  return { listener, contents, frames };
}

test("nothing is lost, repeated or out of order while the server is killed and drained again and again", async () => {
  const own = await another();
  const caller = { server: own.url, token: own.token("alice") };
  const client = heard(caller);
  const witness = heard(caller);
  const said = [];
  let over = false;
  const saying = (async () => {
    for (let n = 0; !over; n += 1) {
      await send(own.admin, all(`${n}`), { tries: 60 });
      said.push(`${n}`);
    }
  })();
  for (const end of ["kill", "drain", "kill"]) {
    const before = said.length;
    await until("some more is said", () => said.length > before + 10);
    await until("some more is heard", () => client.contents.length > before + 5);
    await own[end]();
    await own.again();
  }
  over = true;
  await saying;
  for (const one of [client, witness]) await until("all is heard", () => one.contents.length >= said.length);
  assert.deepEqual(client.contents.toSorted(), said.toSorted());
  // The log gives the order, and everybody sees the same.
  assert.deepEqual(client.contents, witness.contents);
  assert.ok(client.frames.some(({ type }) => type === "shutdown"));
  await Promise.all([client.listener.close(), witness.listener.close()]);
});

test("a listener that begins again goes on after what it handled, and the server knows what that was", async () => {
  const store = new MemoryStore();
  const first = heard(as("bob"), { store });
  const { id } = await send(server.admin, to("bob", "one"));
  await until("it is heard", () => first.contents.length);
  await first.listener.close();
  assert.equal((await server.ask(`/api/v1/broadcasts/${id}/stats`)).delivered, 1);
  await send(server.admin, to("bob", "two"));
  const second = heard(as("bob"), { store });
  await until("the rest is heard", () => second.contents.length);
  const ready = second.frames.find(({ type }) => type === "ready");
  assert.equal(ready.data.recovered, true, ready.data.reason);
  assert.deepEqual(second.contents, ["two"]);
  await second.listener.close();
});

test("a catch-up that is cut and sent again shows nothing twice, also to the next listener of the device", async () => {
  const said = Array.from({ length: 20 }, (_, n) => `${n} ${"x".repeat(200)}`);
  for (const content of said) await send(server.admin, to("paul", content));
  await until("they lie in the inbox", async () => {
    return (await server.ask("/api/v1/inbox?limit=50", server.token("paul"))).items.length === said.length;
  });
  const relay = await relayTo(server.port);
  const cuts = [2000, 4000, 6000];
  relay.budget = (line) => (line.startsWith("GET /api/v1/stream") ? (cuts.shift() ?? Infinity) : Infinity);
  const caller = { server: relay.url, token: server.token("paul"), store: new MemoryStore() };
  const first = heard(caller);
  await until("it was cut in the middle", () => relay.count("GET /api/v1/stream") === 3);
  assert.ok(first.contents.length > 0 && first.contents.length < said.length);
  await first.listener.close();
  const second = heard(caller);
  await until("the rest is heard", () => first.contents.length + second.contents.length >= said.length);
  assert.deepEqual([...first.contents, ...second.contents].toSorted(), said.toSorted());
});

test("what a handler threw at is not confirmed, and comes again", async () => {
  const store = new MemoryStore();
  const failing = listen({ ...as("carl"), store, onFrame: (frame) => {
    if (frame.type === "broadcast.created") throw new Error("the disk is full");
  } });
  const { id } = await send(server.admin, to("carl", "precious"));
  await assert.rejects(failing.ended, /the disk is full/);
  assert.equal(failing.state, "ended");
  assert.equal((await server.ask(`/api/v1/broadcasts/${id}/stats`)).delivered, 0);
  const again = heard(as("carl"), { store });
  await until("it comes again", () => again.contents.length);
  await again.listener.close();
});

test("a listener can be iterated: the next frame is asked for, and leaving the loop closes it", async () => {
  const listener = listen(as("dora"));
  const contents = [];
  for await (const frame of listener) {
    if (frame.type === "ready") await send(server.admin, to("dora", "first"));
    if (frame.type !== "broadcast.created") continue;
    contents.push(frame.data.content);
    if (contents.length === 2) break;
    await send(server.admin, to("dora", "second"));
  }
  assert.deepEqual(contents, ["first", "second"]);
  await listener.ended;
  assert.equal(listener.state, "ended");
});

test("the token is renewed before it ends, on the open stream", async () => {
  const relay = await relayTo(server.port);
  // The server takes a token within a minute after its end, and lets the stream live as long as that.
  const ends = Date.now() + 5000;
  const asked = [];
  const token = (why) => {
    asked.push(why);
    return server.token("erin", { seconds: asked.length === 1 ? -55 : 3600 });
  };
  const client = heard({ server: relay.url, token });
  await until("the stream is open", () => client.listener.state === "live");
  await until("another token is asked for", () => asked.length === 2);
  // Nothing is waited for but the end of the first token.
  await until("the first token has ended", () => Date.now() > ends + 2000);
  await send(server.admin, to("erin", "still here"));
  await until("the stream lives on", () => client.contents.includes("still here"));
  assert.equal(relay.count("GET /api/v1/stream"), 1);
  assert.equal(relay.count("POST /api/v1/sessions/"), 1);
  assert.equal(asked[0], "first");
  await client.listener.close();
});

test("a token that does not hold ends the listener, and it does not come back by itself", async () => {
  for (const bad of ["nonsense", mint("another secret, as long as it takes", "eve")]) {
    const relay = await relayTo(server.port);
    const states = [];
    const { listener } = heard({ server: relay.url, token: bad }, { onState: (state) => states.push(state) });
    await assert.rejects(listener.ended, (why) => why instanceof TidingsError && why.code === "unauthorized" && why.final);
    assert.equal(states.at(-1), "ended");
    assert.equal(relay.count("GET /api/v1/stream"), 1);
  }
});

test("a token that was withdrawn is asked for once more, and the new one lets the listener in", async () => {
  const asked = [];
  const token = (why) => {
    asked.push(why);
    return why === "refused" ? server.token("finn") : mint("a secret that was changed, as they are", "finn");
  };
  // Another call has remembered the old one.
  await assert.rejects(send({ server: server.url, token }, all("no")), { code: "unauthorized" });
  const client = heard({ server: server.url, token });
  await until("it is let in", () => client.listener.state === "live");
  assert.deepEqual(asked, ["first", "refused"]);
  await client.listener.close();
});

test("an application that gives no token for a while is asked again", async () => {
  let away = 2;
  const token = () => {
    away -= 1;
    if (away >= 0) throw new Error("the application is away");
    return server.token("gina");
  };
  const client = heard({ server: server.url, token });
  await until("it is let in", () => client.listener.state === "live");
  await client.listener.close();
});

test("a token that becomes somebody else's ends the listener", async () => {
  const own = await another();
  let who = "hank";
  // None is remembered for long, as they end at once.
  let given;
  const token = () => ((given = Date.now()), own.token(who, { seconds: 1 }));
  const client = heard({ server: own.url, token });
  await until("it is let in", () => client.listener.state === "live");
  who = "ida";
  await own.kill();
  await until("the token is forgotten", () => Date.now() > given + 5000);
  await own.again();
  await assert.rejects(client.listener.ended, { code: "other_user" });
});

test("one connection too many waits as long as it is told, and comes in when there is room", async () => {
  const own = await another({ TIDINGS_GATEWAY__CONNECTIONS_PER_USER: "1" });
  const caller = { server: own.url, token: own.token("jo") };
  const first = heard(caller);
  await until("the first is in", () => first.listener.state === "live");
  const whys = [];
  const second = heard(caller, { onState: (_state, why) => why && whys.push(why) });
  await until("the second waits", () => second.listener.state === "waiting");
  assert.deepEqual([whys[0].code, whys[0].final, whys[0].retryAfterMs], ["connection_limit", false, 5000]);
  await first.listener.close();
  await until("the second is in", () => second.listener.state === "live");
  await second.listener.close();
});

test("a broadcast whose answer is lost is sent again with its key, and is said once", async () => {
  const relay = await relayTo(server.port);
  let lost = 0;
  relay.budget = (line) => (line.startsWith("POST /api/v1/broadcasts") && (lost += 1) <= 2 ? 0 : Infinity);
  const client = heard(as("kim"));
  await until("the stream is open", () => client.listener.state === "live");
  await send({ ...server.admin, server: relay.url }, to("kim", "once"));
  await send(server.admin, to("kim", "last"));
  await until("the last is heard", () => client.contents.includes("last"));
  await until("the first is heard", () => client.contents.includes("once"));
  assert.deepEqual(client.contents.toSorted(), ["last", "once"]);
  assert.equal(relay.count("POST /api/v1/broadcasts"), 3);
  await client.listener.close();
});

test("a refused broadcast is not tried again and says where it is wrong; an unknown outcome can be asked for", async () => {
  await assert.rejects(send(server.admin, { content: "x", target: { type: "role", ids: [] } }), (why) => {
    assert.equal(why.problem.status, 400);
    return why.final && why.idempotencyKey === undefined;
  });
  await assert.rejects(send(as("mallory"), all("x")), { code: "forbidden" });
  const relay = await relayTo(server.port);
  relay.budget = () => 0;
  const through = { ...server.admin, server: relay.url };
  const why = await send(through, to("liz", "kept"), { tries: 2 }).then(assert.fail, (cause) => cause);
  assert.equal(why.code, "unreachable");
  const { idempotencyKey } = why;
  const first = await send(server.admin, to("liz", "kept"), { idempotencyKey });
  const second = await send(server.admin, to("liz", "kept"), { idempotencyKey });
  assert.equal(first.id, second.id);
});

test("an inbox is live: what comes, is read elsewhere, is cancelled or taken out changes list and count", async () => {
  const lying = async () => (await server.ask("/api/v1/inbox", server.token("nora"))).items.length;
  for (const n of [1, 2, 3]) {
    await send(server.admin, to("nora", `old ${n}`));
    await until("it lies in the inbox", async () => (await lying()) === n);
  }
  const mine = opened({ ...as("nora"), limit: 2 });
  const contents = () => mine.state.items.map(({ content }) => content);
  await until("the first page is there", () => mine.state.status === "loaded" && mine.state.live);
  await until("all are counted", () => mine.state.unread === 3);
  assert.deepEqual(contents(), ["old 3", "old 2"]);
  await mine.more();
  assert.deepEqual(contents(), ["old 3", "old 2", "old 1"]);
  assert.equal(mine.state.next, null);

  const said = await send(server.admin, { ...to("nora", "pressing"), priority: "urgent" });
  await until("it comes by itself", () => contents()[0] === "pressing");
  await until("it is counted", () => mine.state.unread === 4);

  const other = opened(as("nora"));
  await until("another device has it", () => other.state.items.length === 4);
  await other.read(other.state.items[1].id);
  await until("it is read here too", () => mine.state.items[1].read_at !== null && mine.state.unread === 3);

  const admin = { headers: { authorization: `Bearer ${server.admin.token}` }, method: "POST" };
  await fetch(`${server.url}/api/v1/broadcasts/${said.id}/cancel`, admin);
  await until("what is cancelled leaves", () => !contents().includes("pressing") && mine.state.unread === 2);

  await mine.remove(mine.state.items[2].id);
  assert.deepEqual(contents(), ["old 3", "old 2"]);
  await mine.readAll();
  assert.equal(mine.state.unread, 0);
  await until("the other knows", () => other.state.unread === 0);
  await Promise.all([mine.close(), other.close()]);
});

test("posts and follows come into an inbox by themselves, as it has them when it is loaded, and a removed post leaves", async () => {
  const path = (more) => `${server.url}/api/v1${more}`;
  const ask = async (user, method, more, body) => {
    const headers = { "content-type": "application/json", authorization: `Bearer ${server.token(user)}` };
    const answer = await fetch(path(more), { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
    assert.ok(answer.ok, `${method} ${more}: ${answer.status}`);
    return answer.status === 204 ? undefined : await answer.json();
  };
  for (const username of ["ada", "ben"]) {
    await ask(username, "POST", "/signup", { username, password: "correct horse battery", display_name: username });
    await until("the profile is there", async () => (await ask(username, "GET", `/users/${username}`)).status === "active");
  }
  const adas = opened(as("ada"));
  const bens = opened(as("ben"));
  for (const one of [adas, bens]) await until("it is live", () => one.state.live && one.state.status === "loaded");
  await ask("ben", "POST", "/users/ada/follow");
  await until("she sees who follows her", () => adas.state.items.length === 1);
  const { post_id } = await ask("ada", "POST", "/posts", { title: "On the engine", content: "It weaves." });
  await until("he sees her post", () => bens.state.items.length === 1 && bens.state.unread === 1);
  for (const one of [adas, bens]) {
    // How long they last only the list says.
    const shown = ({ state: _word, delivered_at: _then, expires_at: _end, ...item }) => item;
    const [pushed] = one.state.items.map(shown);
    await one.reload();
    assert.deepEqual(pushed, one.state.items.map(shown)[0]);
  }
  await ask("ada", "DELETE", `/posts/${post_id}`);
  await until("it leaves", () => bens.state.items.length === 0 && bens.state.unread === 0);
});

test("an inbox whose server is away says so, shows what it had, and is up to date once it is back", async () => {
  const own = await another();
  const mine = opened({ server: own.url, token: own.token("olga") });
  await send(own.admin, all("before"));
  await until("it is there", () => mine.state.items.length === 1);
  await own.kill();
  await until("it is no longer live", () => !mine.state.live);
  assert.equal(mine.state.items.length, 1);
  await own.again();
  await send(own.admin, all("after"), { tries: 60 });
  await until("it is live again", () => mine.state.live && mine.state.items[0].content === "after");
  assert.equal(mine.state.items.length, 2);
  await mine.close();
});
