// Chat in Chromium, from an application of another origin, against the real server.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { App, browse, complaints } from "./app.mjs";
import { chatOf, contents, enter, say, states } from "./people.mjs";
import { Server } from "./server.mjs";
import { until } from "./until.mjs";

let app, browser, server;
before(async () => {
  app = await App.start();
  server = await Server.start({ TIDINGS_SERVER__ORIGINS: app.url });
  app.server = server.url;
  app.token = (url) => server.token(url.split("=").at(-1));
  browser = await browse();
});
/** Chats outside of the browser, which a test that fails leaves open. */
const open = [];
after(async () => {
  await Promise.all(open.map((one) => one.close()));
  await browser?.close();
  await server?.remove();
  app?.close();
});

/** A browser of a person; streams that are asked for are counted. */
async function browserOf(user) {
  const context = await browser.newContext();
  const person = { user, context, streams: 0 };
  context.on("request", (request) => {
    if (request.method() === "GET" && request.url().includes("/api/v1/stream")) person.streams += 1;
  });
  return person;
}

/** A page with the person's chat, and a conversation open in it. */
async function chatting({ user, context }, id) {
  const page = await context.newPage();
  page.told = complaints(page);
  await page.goto(app.url);
  await begin(page, user, id);
  return page;
}

function begin(page, user, id) {
  return page.evaluate(
    async ({ server, user, id }) => {
      const { chat } = await import("/tidings/chat.js");
      const token = async () => (await fetch(`/token?user=${user}`)).text();
      window.chat = chat({ server, token });
      window.room = window.chat.open(id);
    },
    { server: server.url, user, id },
  );
}

const shown = (page) => page.evaluate(() => window.room.state.messages.map(({ content, state }) => [content, state ?? "of the other"]));
const send = (page, content) => page.evaluate((content) => window.room.send(content), content);
const unread = (page) => page.evaluate(() => window.chat.state.conversations[0]?.unread_count);
const isThere = (page) => page.evaluate(() => window.chat?.state.live && window.room.state.status === "loaded");
const said = async (page, wanted) => JSON.stringify(await shown(page)) === JSON.stringify(wanted);

/** A conversation, and the other one of it outside of any browser. */
async function pair(user, other) {
  await enter(server, user, other);
  const theirs = chatOf(server, other);
  open.push(theirs);
  const { conversation_id: id } = await theirs.start([user]);
  const room = theirs.open(id);
  await until("the other is there", () => room.state.status === "loaded" && theirs.state.live);
  return { id, room };
}

test("what was said before a reload is said after it, once, while the server is killed and comes back", async () => {
  const person = await browserOf("alice");
  const { id, room } = await pair("alice", "bob");
  const page = await chatting(person, id);
  await until("she is there", () => isThere(page));
  await send(page, "before");
  await until("it is delivered", () => said(page, [["before", "DELIVERED"]]));
  await server.kill();
  await send(page, "while it was away");
  await page.reload();
  // The page that said it is gone; this one was never told.
  await server.again();
  await begin(page, "alice", id);
  const both = [["before", "DELIVERED"], ["while it was away", "DELIVERED"]];
  await until("the next page says it", () => said(page, both));
  await until("he hears it", () => contents(room).length === 2);
  await room.read();
  const read = both.map(([content]) => [content, "READ"]);
  await until("she is told that he read it", () => said(page, read));
  await page.reload();
  await begin(page, "alice", id);
  await until("it is there again", () => said(page, read));
  await send(page, "after");
  await until("he hears that, too", () => contents(room).length === 3);
  assert.deepEqual(contents(room), ["before", "while it was away", "after"]);
  assert.deepEqual(page.told, []);
  await person.context.close();
});

test("two pages of a browser have one connection, show the same, and one takes over from the other", async () => {
  const person = await browserOf("carl");
  const { id, room } = await pair("carl", "dora");
  const first = await chatting(person, id);
  await until("the first is there", () => isThere(first));
  const second = await chatting(person, id);
  await until("the second is there", () => isThere(second));
  await send(first, "one");
  await send(second, "two");
  await room.send("three");
  for (const page of [first, second]) await until("both show all of it", async () => (await shown(page)).length === 3);
  assert.deepEqual((await shown(first)).map(([content]) => content).toSorted(), ["one", "three", "two"]);
  assert.deepEqual((await shown(first)).map(([content]) => content), (await shown(second)).map(([content]) => content));
  assert.equal(person.streams, 1);
  for (const page of [first, second]) await until("both count it", async () => (await unread(page)) === 1);
  await second.evaluate(() => window.room.read());
  for (const page of [first, second]) await until("both know that it was read", async () => (await unread(page)) === 0);
  await until("she knows, too", () => states(room).includes("READ"));

  await server.kill();
  await until("it is noticed", () => first.evaluate(() => !window.chat.state.live));
  await send(first, "four");
  await until("the other page shows it on its way", async () => (await shown(second)).at(-1).join() === "four,SENDING");
  await first.close();
  await server.again();
  await until("the other page says it", async () => (await shown(second)).at(-1).join() === "four,DELIVERED");
  await until("she hears it", () => contents(room).at(-1) === "four");
  assert.equal(contents(room).length, 4);
  assert.deepEqual(second.told, []);
  await person.context.close();
});

test("what is said without a network is said when it is there again, and what came meanwhile is there", async () => {
  const person = await browserOf("erin");
  const { id, room } = await pair("erin", "finn");
  const page = await chatting(person, id);
  await until("she is there", () => isThere(page));
  await person.context.setOffline(true);
  await send(page, "from the tunnel");
  assert.deepEqual(await shown(page), [["from the tunnel", "SENDING"]]);
  await say(server, "finn", id, "where are you?");
  await person.context.setOffline(false);
  const wanted = [["where are you?", "of the other"], ["from the tunnel", "DELIVERED"]];
  await until("both are there", () => said(page, wanted));
  await until("he hears it", () => contents(room).length === 2);
  assert.deepEqual(contents(room), wanted.map(([content]) => content));
  await person.context.close();
});
