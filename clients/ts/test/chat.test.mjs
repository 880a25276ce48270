// Chat in Node, against the real server.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { MemoryStore } from "../dist/index.js";
import { chatOf, contents, enter, say, states } from "./people.mjs";
import { Relay } from "./relay.mjs";
import { Server } from "./server.mjs";
import { until } from "./until.mjs";

const FAST = { TIDINGS_LIMITS__MESSAGES_PER_SECOND: "10000" };

let server;
before(async () => (server = await Server.start(FAST)));
after(() => server.remove());

/** What a test opened, and may have left open where it failed. */
const open = new Set();
afterEach(async () => {
  for (const one of open) await one.close();
  open.clear();
});
const kept = (one) => (open.add(one), one);
const opened = (user, more) => kept(chatOf(server, user, more));

/** Somebody's chat with a conversation open in it that has loaded, and hears what is said. */
async function inRoom(user, id, more) {
  const mine = opened(user, more);
  const room = mine.open(id);
  await until(`${user} is there`, () => room.state.status === "loaded" && mine.state.live && mine.state.status === "loaded");
  return [mine, room];
}

/** The conversation of two people whom nobody else speaks with. */
async function pair(one, other) {
  await enter(server, one, other);
  const mine = opened(one);
  const { conversation_id } = await mine.start([other]);
  await mine.close();
  return conversation_id;
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, n) => from + n);
const seqs = ({ state }) => state.messages.map(({ seq }) => seq);
const unread = ({ state }, id) => state.conversations.find(({ conversation_id }) => conversation_id === id)?.unread_count;

test("two people speak: each hears the other once, and who says it sees it sent, delivered and read", async () => {
  const id = await pair("alice", "bob");
  const [hers, alice] = await inRoom("alice", id);
  const seen = new Map();
  alice.subscribe(({ messages }) => {
    for (const { content, state } of messages) {
      const before = seen.get(content) ?? [];
      if (before.length === 0 || before.at(-1) !== state) seen.set(content, [...before, state]);
    }
  });
  await alice.send("one");
  assert.deepEqual(states(alice), ["SENDING"]);
  await until("the server has it", () => states(alice)[0] === "SENT");
  const [his, bob] = await inRoom("bob", id);
  await until("his device confirms it", () => states(alice)[0] === "DELIVERED");
  assert.deepEqual([contents(bob), states(bob)], [["one"], [undefined]]);
  assert.equal(unread(his, id), 1);
  await bob.read();
  assert.equal(unread(his, id), 0);
  await until("she is told", () => states(alice)[0] === "READ");
  await alice.send("two");
  await until("he hears it", () => contents(bob).length === 2);
  await until("it is counted", () => unread(his, id) === 1);
  await until("it is delivered", () => states(alice)[1] === "DELIVERED");
  await bob.send("three");
  await until("she hears him", () => contents(alice).length === 3);
  assert.deepEqual(contents(alice), ["one", "two", "three"]);
  assert.deepEqual([seen.get("one"), seen.get("three")], [["SENDING", "SENT", "DELIVERED", "READ"], [undefined]]);
  await until("the last is in the list", () => hers.state.conversations[0].last_message.content === "three");

  // Opened anew, the history says how far they had come.
  const [, again] = await inRoom("alice", id);
  assert.deepEqual(states(again), ["READ", "DELIVERED", undefined]);
});

test("what was said is said until it is answered, and is one message, though answers are lost and the server is killed", async () => {
  const own = kept(Object.assign(await Server.start(FAST), { close: () => own.remove() }));
  await enter(own, "carl", "dora");
  const relay = kept(await Relay.to(own.port));
  let lost = 0;
  relay.budget = (line) => (/^POST .*messages /.test(line) && (lost += 1) <= 2 ? 0 : Infinity);
  const through = { url: relay.url, token: (user) => own.token(user) };
  const mine = kept(chatOf(through, "carl"));
  const { conversation_id: id } = await mine.start(["dora"]);
  const carl = mine.open(id);
  const dora = kept(chatOf(own, "dora")).open(id);
  await carl.send("lost twice");
  await until("it is answered", () => states(carl)[0] === "SENT" || states(carl)[0] === "DELIVERED");
  await own.kill();
  await until("it is noticed", () => !mine.state.live);
  for (const n of [1, 2, 3]) await carl.send(`while it was away ${n}`);
  assert.deepEqual(states(carl).slice(1), ["SENDING", "SENDING", "SENDING"]);
  await own.again();
  await until("all is said", () => states(carl).length === 4 && states(carl).every((state) => state === "DELIVERED"));
  const said = ["lost twice", ...[1, 2, 3].map((n) => `while it was away ${n}`)];
  await until("she hears it", () => contents(dora).length === 4);
  assert.deepEqual([contents(carl), contents(dora), seqs(dora)], [said, said, [1, 2, 3, 4]]);
  assert.ok(relay.count(`POST /api/v1/conversations/${id}/messages`) >= 6);
});

test("history is read backwards, page by page, each message once", async () => {
  const id = await pair("erin", "finn");
  for (const n of range(1, 120)) await say(server, "erin", id, `${n}`);
  // What was read is pending no more: only the history has it.
  const [, phone] = await inRoom("finn", id);
  await phone.read();
  const [, finn] = await inRoom("finn", id);
  assert.deepEqual([seqs(finn), finn.state.older], [range(71, 120), true]);
  await Promise.all([finn.older(), finn.older()]);
  assert.deepEqual(seqs(finn), range(21, 120));
  await say(server, "erin", id, "121");
  await until("it is heard", () => seqs(finn).length === 101);
  await finn.older();
  assert.deepEqual([seqs(finn), finn.state.older], [range(1, 121), false]);
  await finn.older();
  assert.equal(seqs(finn).length, 121);
});

test("what a device missed for good is filled from the history", async () => {
  const own = kept(Object.assign(await Server.start(FAST), { close: () => own.remove() }));
  await enter(own, "gina", "hank");
  let away = false;
  let forgets = false;
  // As a device whose cursor the server no longer knows: it is told that it missed something, and not what.
  const cuts = (url, init) => {
    if (!url.includes("/api/v1/stream")) return fetch(url, init);
    if (away) return Promise.reject(new Error("no network"));
    const { "last-event-id": cursor, ...headers } = init.headers;
    return fetch(url, { ...init, headers: forgets || cursor === undefined ? headers : init.headers });
  };
  const laptop = kept(chatOf(own, "hank", { fetch: cuts }));
  const { conversation_id: id } = await laptop.start(["gina"]);
  const room = laptop.open(id);
  for (const n of range(1, 10)) await say(own, "gina", id, `${n}`);
  await until("he has heard", () => seqs(room).length === 10);
  away = forgets = true;
  await own.kill();
  await own.again();
  const phone = kept(chatOf(own, "hank"));
  const last = phone.open(id);
  for (const n of range(11, 140)) await say(own, "gina", id, `${n}`);
  await until("his phone has it", () => last.state.messages.at(-1)?.seq === 140);
  const path = `/api/v1/conversations/${id}/messages/${last.state.messages.at(-1).message_id}/receipts`;
  await until("and confirms it", async () => (await own.ask(path, own.token("gina"))).delivered === 1);
  away = false;
  await until("his laptop has it too", () => room.state.messages.at(-1)?.seq === 140 && room.state.status === "loaded");
  await until("without a hole", () => seqs(room).length === 140);
  assert.deepEqual(seqs(room), range(1, 140));
});

test("a status that comes before its message is held until the message is known", async () => {
  const id = await pair("ida", "jo");
  const store = new MemoryStore();
  // Her device has heard of the message and was closed before he read it.
  const first = opened("ida", { store });
  const before = first.open(id);
  await before.send("one");
  await until("it is confirmed", () => states(before)[0] === "SENT");
  const { conversation_id: other } = await first.start(["jo"], "another");
  await say(server, "jo", other, "marks the place");
  await until("her device is behind it", () => unread(first, other) === 1);
  await first.close();

  // The history is asked for before he reads, and answered after she was told of it.
  const told = [];
  let hand;
  const handed = new Promise((resolve) => (hand = resolve));
  const slow = async (url, init) => {
    const answer = await fetch(url, init);
    if (url.includes(`${id}/messages?`)) {
      const text = await answer.text();
      const [, jo] = await inRoom("jo", id);
      await jo.read();
      await handed;
      return new Response(text, { headers: { "content-type": "application/json" } });
    }
    return answer;
  };
  const onFrame = ({ type, data }) => type === "message.status" && told.push(data.status);
  const again = opened("ida", { store, fetch: slow, onFrame });
  const room = again.open(id);
  await until("she is told that he read it", () => told.includes("READ"));
  assert.deepEqual([contents(room), room.state.held.length > 0], [[], true]);
  hand();
  await until("the message is known", () => contents(room).length === 1);
  assert.deepEqual([states(room), room.state.held], [["READ"], []]);
});

test("a group is told how many have it and read it; who comes hears what follows, and who goes nothing more", async () => {
  await enter(server, "kim", "liz", "max", "nora");
  const mine = opened("kim");
  await until("the list is there", () => mine.state.status === "loaded");
  const [liz, max] = [opened("liz"), opened("max")];
  for (const one of [liz, max]) await until("they listen", () => one.state.live && one.state.status === "loaded");
  const { conversation_id: id } = await mine.start(["liz", "max"], "Kitchen");
  const kim = mine.open(id);
  await kim.send("soup");
  for (const one of [liz, max]) {
    await until("the group is in their lists", () => unread(one, id) === 1);
    assert.equal(one.state.conversations[0].title, "Kitchen");
  }
  const last = () => kim.state.messages.at(-1);
  await until("both have it", () => last().state === "DELIVERED");
  assert.deepEqual([last().delivered, last().read, last().of], [2, 0, 2]);
  const lizs = liz.open(id);
  await until("she sees it", () => contents(lizs).length === 1);
  await lizs.read();
  await until("one read it", () => last().read === 1);
  assert.equal(last().state, "DELIVERED");
  const maxs = max.open(id);
  await until("he sees it", () => contents(maxs).length === 1);
  await maxs.read();
  await until("both read it", () => last().state === "READ");
  assert.deepEqual((await kim.receipts(last().message_id)).items.map(({ user_id }) => user_id), ["liz", "max"]);

  await kim.invite("nora");
  assert.deepEqual(kim.state.conversation.member_ids, ["kim", "liz", "max", "nora"]);
  const nora = opened("nora");
  const noras = nora.open(id);
  await until("she is there", () => noras.state.status === "loaded" && nora.state.live);
  await noras.send("hello");
  for (const room of [kim, lizs, maxs]) await until("they hear her", () => contents(room).at(-1) === "hello");
  assert.deepEqual(contents(noras), ["hello"]);
  await until("they know her", () => lizs.state.conversation.member_ids.includes("nora"));

  await maxs.remove("max");
  assert.deepEqual(max.state.conversations, []);
  await kim.send("after max");
  await until("the others hear it", () => contents(lizs).at(-1) === "after max");
  const [, gone] = [max, max.open(id)];
  await until("it is as one that is missing", () => gone.state.error?.code === "not_found");
  assert.equal(contents(gone).length, 0);
});

test("what the server refuses says so, can be let go, and holds nothing up", async () => {
  const id = await pair("olga", "paul");
  const [, olga] = await inRoom("olga", id);
  const long = await olga.send("x".repeat((64 << 10) + 1));
  await olga.send("short");
  await until("the short one is sent", () => olga.state.messages.some(({ content, state }) => content === "short" && state === "SENT"));
  const refused = olga.state.messages.find(({ client_id }) => client_id === long);
  assert.deepEqual([refused.state, refused.seq, refused.refused.code], ["REFUSED", undefined, "too_large"]);
  await olga.again(long);
  await until("it is refused again", () => olga.state.messages.at(-1).state === "REFUSED");
  await olga.drop(long);
  assert.deepEqual(contents(olga), ["short"]);
});

test("more at once than the server takes is said all the same, in order", async () => {
  const own = kept(Object.assign(await Server.start({ TIDINGS_LIMITS__MESSAGES_PER_SECOND: "5" }), { close: () => own.remove() }));
  await enter(own, "quin", "rosa");
  const mine = kept(chatOf(own, "quin"));
  const { conversation_id: id } = await mine.start(["rosa"]);
  const quin = mine.open(id);
  for (const n of range(1, 15)) await quin.send(`${n}`);
  await until("all is said", () => seqs(quin).every((seq) => seq !== undefined) && seqs(quin).length === 15);
  assert.deepEqual(contents(quin), range(1, 15).map(String));
});

test("who types is shown to the other, who comes and goes stands in the list, and nobody has to want it", async () => {
  const id = await pair("sam", "tess");
  const typed = [];
  const [his, sam] = await inRoom("sam", id, { onTyping: (one) => typed.push(one) });
  const partner = () => his.state.conversations.find(({ conversation_id }) => conversation_id === id).partner;
  assert.deepEqual([partner().online, partner().last_seen_at], [false, null]);
  const [hers, tess] = await inRoom("tess", id);
  await until("she is there", () => partner().online);
  for (const _key of range(1, 5)) tess.typing();
  await until("he sees it", () => typed.length === 1);
  tess.typing(false);
  await until("and its end", () => typed.length === 2);
  assert.deepEqual(typed.map((one) => [one.conversation_id, one.user_id, one.is_typing]), [[id, "tess", true], [id, "tess", false]]);
  // She has no ear for it, and goes on.
  sam.typing();
  await sam.send("said");
  await until("she hears him", () => contents(tess).length === 1);
  await hers.close();
  await until("she is gone", () => !partner().online && partner().last_seen_at !== null);
});
