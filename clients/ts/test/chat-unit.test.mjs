// How a conversation and the list of them change: what needs no server.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as list from "../dist/chat-list.js";
import { NOTHING, answered, cut, entered, gap, saying, stands, withdrawn } from "../dist/chat-messages.js";

const ME = "alice";
const body = (seq, more = {}) => ({
  message_id: `msg_${seq}`, conversation_id: "cnv_1", seq, sender_id: ME, content: `${seq}`, client_id: null, created_at: `2026-01-05T09:00:${String(seq).padStart(2, "0")}Z`, ...more,
});
const status = (seq, word, more = {}) => ({ message_id: `msg_${seq}`, conversation_id: "cnv_1", status: word, user_id: "bob", timestamp: "t", up_to: `msg_${seq}`, ...more });
const out = (client_id, more = {}) => ({ client_id, conversation_id: "cnv_1", content: client_id, created_at: "2026-01-05T10:00:00Z", ...more });
const seqs = ({ messages }) => messages.map(({ seq }) => seq);
const states = ({ messages }) => messages.map(({ state }) => state);

test("messages stand by their numbers, each once, and what is on its way behind them", () => {
  let room = entered(NOTHING, ME, [body(3), body(1)]);
  room = saying(saying(room, ME, out("b")), ME, out("a"));
  room = entered(room, ME, [body(2), body(3)]);
  assert.deepEqual(seqs(room), [1, 2, 3, undefined, undefined]);
  assert.deepEqual(room.messages.slice(3).map(({ client_id }) => client_id), ["a", "b"]);
});

test("an answer, its event and the history make one message of what was said, in whatever order they come", () => {
  const said = out("a");
  const event = body(1, { client_id: "a", content: "a" });
  const steps = {
    answer: (room) => answered(room, ME, said, { message_id: "msg_1", seq: 1 }),
    event: (room) => entered(room, ME, [event]),
    again: (room) => saying(room, ME, said),
    status: (room) => stands(room, ME, status(1, "DELIVERED")),
  };
  const orders = (names) => (names.length < 2 ? [names] : names.flatMap((name) => orders(names.filter((other) => other !== name)).map((rest) => [name, ...rest])));
  for (const order of orders(Object.keys(steps))) {
    const room = order.reduce((room, step) => steps[step](room), saying(NOTHING, ME, said));
    assert.deepEqual([room.messages.length, states(room), room.held.length], [1, ["DELIVERED"], 0], order.join());
  }
  // Somebody else's name for a message is not ours.
  const room = entered(saying(NOTHING, ME, said), ME, [body(1, { client_id: "a", sender_id: "bob" })]);
  assert.deepEqual([room.messages.length, states(room)], [2, [undefined, "SENDING"]]);
});

test("a status holds for all that was said before, and nothing goes back", () => {
  let room = entered(NOTHING, ME, [body(1), body(2, { sender_id: "bob" }), body(3), body(4)]);
  room = stands(room, ME, status(3, "READ"));
  assert.deepEqual(states(room), ["READ", undefined, "READ", "SENT"]);
  room = stands(room, ME, status(4, "DELIVERED"));
  room = stands(room, ME, status(3, "DELIVERED"));
  assert.deepEqual(states(room), ["READ", undefined, "READ", "DELIVERED"]);
  room = entered(room, ME, [body(3, { standing: { status: "SENT", delivered: 0, read: 0, of: 1 } })]);
  assert.deepEqual(states(room), ["READ", undefined, "READ", "DELIVERED"]);
});

test("a status that comes first is held, the newest hundred of them", () => {
  let room = stands(NOTHING, ME, status(2, "READ"));
  room = stands(room, ME, status(1, "DELIVERED"));
  room = entered(room, ME, [body(1)]);
  assert.deepEqual([states(room), room.held.length], [["DELIVERED"], 1]);
  room = entered(room, ME, [body(2)]);
  assert.deepEqual([states(room), room.held.length], [["READ", "READ"], 0]);
  for (let seq = 100; seq < 300; seq += 1) room = stands(room, ME, status(seq, "READ"));
  assert.equal(room.held.length, 100);
});

test("in a group all of them make it delivered or read, and who came later does not count for what was said before", () => {
  const standing = { status: "SENT", delivered: 0, read: 0, of: 2 };
  let room = entered(NOTHING, ME, [body(1, { standing }), body(2, { standing: { ...standing, of: 3 } })]);
  const counts = ({ messages }) => messages.map(({ delivered, read, of }) => [delivered, read, of]);
  room = stands(room, ME, status(2, "READ", { delivered: 2, read: 1, of: 3 }));
  assert.deepEqual([states(room), counts(room)], [["SENT", "SENT"], [[0, 0, 2], [2, 1, 3]]]);
  room = stands(room, ME, status(2, "DELIVERED", { delivered: 3, read: 1, of: 3 }));
  assert.deepEqual([states(room), counts(room)], [["DELIVERED", "DELIVERED"], [[2, 0, 2], [3, 1, 3]]]);
  room = stands(room, ME, status(1, "READ", { delivered: 2, read: 1, of: 2 }));
  assert.deepEqual([states(room), counts(room)[0]], [["DELIVERED", "DELIVERED"], [2, 1, 2]]);
  room = stands(room, ME, status(2, "READ", { delivered: 3, read: 3, of: 3 }));
  assert.deepEqual([states(room), counts(room)], [["READ", "READ"], [[2, 2, 2], [3, 3, 3]]]);
});

test("a hole in the numbers is known by the message above it, and what lies before it can be let go", () => {
  let room = entered(NOTHING, ME, [body(1), body(2), body(5), body(6), body(9)]);
  assert.equal(gap(room).seq, 9);
  room = entered(room, ME, [body(7), body(8)]);
  assert.equal(gap(room).seq, 5);
  room = cut(saying(room, ME, out("a")), 5, true);
  assert.deepEqual([seqs(room), gap(room), room.older], [[5, 6, 7, 8, 9, undefined], undefined, true]);
  room = entered(room, ME, [body(1), body(2), body(3), body(4)]);
  assert.equal(room.older, false, "the first is there");
});

test("what was refused says so, is said again, and can be let go", () => {
  const refused = { code: "too_large", message: "long" };
  let room = saying(saying(NOTHING, ME, out("a")), ME, out("a", { refused }));
  assert.deepEqual([states(room), room.messages[0].refused], [["REFUSED"], refused]);
  assert.deepEqual(states(saying(room, ME, out("a"))), ["SENDING"]);
  assert.deepEqual(withdrawn(room, "a").messages, []);
  // One that has arrived is not let go.
  room = entered(room, ME, [body(1, { client_id: "a" })]);
  assert.deepEqual(states(withdrawn(room, "a")), ["SENT"]);
});

const conversation = (id, last, unread_count = 0) => ({
  conversation_id: id, title: null, partner: null, members: 2, unread_count, created_at: "2026-01-01T00:00:00Z",
  last_message: last === null ? null : body(last, { conversation_id: id }),
});
const listed = (...items) => list.loaded(list.EMPTY, { items, next_cursor: null });
const shown = ({ conversations }) => conversations.map(({ conversation_id: id, unread_count }) => `${id}${unread_count}`);

test("what is said moves its conversation to the front and counts once, unless one said it oneself", () => {
  let state = listed(conversation("a", 5), conversation("b", 3, 1));
  state = list.said(state, ME, body(6, { conversation_id: "b", sender_id: "bob" })) ?? state;
  assert.deepEqual(shown(state), ["a0", "b1"], "5 and 6 are for the server to count");
  assert.equal(list.said(state, ME, body(6, { conversation_id: "b", sender_id: "bob" })), undefined);
  state = list.said(listed(conversation("a", 5), conversation("b", 5, 1)), ME, body(6, { conversation_id: "b", sender_id: "bob" }));
  assert.deepEqual(shown(state), ["b2", "a0"]);
  assert.equal(list.said(state, ME, body(6, { conversation_id: "b", sender_id: "bob" })), state);
  state = list.said(state, ME, body(7, { conversation_id: "b" }));
  assert.deepEqual(shown(state), ["b2", "a0"]);
  assert.equal(list.said(state, ME, body(1, { conversation_id: "c" })), undefined);
});

test("a list that is loaded again keeps what was said since it was asked for", () => {
  const state = list.said(listed(conversation("a", 5)), ME, body(6, { conversation_id: "a", sender_id: "bob" }));
  assert.deepEqual(shown(list.loaded(state, { items: [conversation("a", 5), conversation("b", 1)], next_cursor: null })), ["a1", "b0"]);
  assert.deepEqual(shown(list.loaded(state, { items: [conversation("a", 8, 3)], next_cursor: null })), ["a3"]);
});

test("what was read to its end is unread no more; of a part the server knows what is left", () => {
  const state = listed(conversation("a", 5, 2));
  assert.deepEqual(shown(list.wasRead(state, "a", 5)), ["a0"]);
  assert.equal(list.wasRead(state, "a", 4), undefined);
  assert.equal(list.wasRead(state, "b", 4), state);
  assert.deepEqual(shown(list.left(state, "a")), []);
});
