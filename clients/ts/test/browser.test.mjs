// Listening in Chromium, from an application of another origin, against the real server.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { send } from "../dist/index.js";
import { App, browse } from "./app.mjs";
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
after(async () => {
  await browser?.close();
  await server?.remove();
  app?.close();
});

const to = (user, content) => ({ content, target: { type: "selected", ids: [user] } });

/** A browser of a person: its pages listen, and note what they hear; streams that are asked for are counted. */
async function browserOf(user) {
  const context = await browser.newContext();
  const person = { user, context, streams: 0 };
  context.on("request", (request) => {
    if (request.method() === "GET" && request.url().includes("/api/v1/stream")) person.streams += 1;
  });
  return person;
}

async function listening({ user, context }) {
  const page = await context.newPage();
  await page.goto(app.url);
  await begin(page, user);
  return page;
}

/** Begins to listen; what was heard outlives a reload, so that repeats and losses show. */
function begin(page, user) {
  return page.evaluate(
    async ({ server, user }) => {
      const { listen } = await import("/tidings/index.js");
      const token = async () => (await fetch(`/token?user=${user}`)).text();
      window.readies = [];
      window.listener = listen({
        server,
        token,
        onFrame: (frame) => {
          if (frame.type === "ready") window.readies.push(frame.data);
          if (frame.type !== "broadcast.created") return;
          const heard = JSON.parse(sessionStorage.getItem("heard") ?? "[]");
          sessionStorage.setItem("heard", JSON.stringify([...heard, frame.data.content]));
        },
      });
    },
    { server: server.url, user },
  );
}

const heard = (page) => page.evaluate(() => JSON.parse(sessionStorage.getItem("heard") ?? "[]"));
const isLive = (page) => page.evaluate(() => window.listener?.state === "live");

test("a page that is reloaded while the server is killed and comes back hears everything once", async () => {
  const person = await browserOf("alice");
  const page = await listening(person);
  await until("it is live", () => isLive(page));
  const said = [];
  const say = async (content) => {
    await send(server.admin, to("alice", content), { tries: 60 });
    said.push(content);
  };
  for (const round of [1, 2, 3]) {
    await say(`${round} live`);
    await until("it is heard", async () => (await heard(page)).length >= said.length);
    await server.kill();
    if (round > 1) await page.reload();
    await server.again();
    await say(`${round} while it was away`);
    if (round > 1) await begin(page, "alice");
    await until("it is heard too", async () => (await heard(page)).length >= said.length);
  }
  assert.deepEqual(await heard(page), said);
  assert.equal((await page.evaluate(() => window.readies.at(-1))).recovered, true);
  await person.context.close();
});

test("two pages of a browser have one connection, and the second takes over when the first goes", async () => {
  const person = await browserOf("bob");
  const first = await listening(person);
  await until("the first is live", () => isLive(first));
  const second = await listening(person);
  await until("the second is live", () => isLive(second));
  assert.deepEqual((await second.evaluate(() => window.readies)).map(({ reason }) => reason), ["joined"]);
  for (const [n, content] of ["one", "two"].entries()) {
    await send(server.admin, to("bob", content));
    for (const page of [first, second]) await until("both hear it", async () => (await heard(page)).length === n + 1);
  }
  assert.equal(person.streams, 1);

  await first.close();
  await send(server.admin, to("bob", "three"));
  await until("the second hears it", async () => (await heard(second)).length === 3);
  await until("the second has the connection", () => person.streams === 2);
  await send(server.admin, to("bob", "four"));
  await until("the second goes on", async () => (await heard(second)).length === 4);
  assert.deepEqual(await heard(second), ["one", "two", "three", "four"]);
  assert.equal((await second.evaluate(() => window.readies.at(-1))).recovered, true);
  assert.equal(person.streams, 2);
  await person.context.close();
});

test("pages of two people of one browser share nothing", async () => {
  const person = await browserOf("carol");
  const carol = await listening(person);
  const dan = await listening({ ...person, user: "dan" });
  for (const page of [carol, dan]) await until("both are live", () => isLive(page));
  await send(server.admin, to("carol", "for carol"));
  await until("carol hears it", async () => (await heard(carol)).length === 1);
  await send(server.admin, to("dan", "for dan"));
  await until("dan hears it", async () => (await heard(dan)).length === 1);
  assert.deepEqual([await heard(carol), await heard(dan)], [["for carol"], ["for dan"]]);
  assert.equal(person.streams, 2);
  await person.context.close();
});

test("a page that is looked at takes the lead from one that no longer answers", async () => {
  const person = await browserOf("erin");
  const asleep = await person.context.newPage();
  await asleep.goto(app.url);
  // As a page that the system put to sleep: it has the lead, and says nothing.
  await asleep.evaluate(
    (name) => new Promise((held) => void navigator.locks.request(name, () => (held(), new Promise(() => {})))),
    `tidings ${server.url} erin `,
  );
  const awake = await listening(person);
  await awake.bringToFront();
  await until("it leads", () => isLive(awake));
  await send(server.admin, to("erin", "heard"));
  await until("it hears", async () => (await heard(awake)).length === 1);
  await person.context.close();
});

test("a network that is there again is used at once, and nothing that came meanwhile is lost", async () => {
  const person = await browserOf("finn");
  const page = await listening(person);
  await until("it is live", () => isLive(page));
  await person.context.setOffline(true);
  await send(server.admin, to("finn", "while offline"));
  await person.context.setOffline(false);
  await until("it is heard", async () => (await heard(page)).length === 1);
  assert.deepEqual(await heard(page), ["while offline"]);
  await person.context.close();
});

test("a page of an origin that the server does not know is refused in words", async () => {
  const other = await App.start();
  other.server = server.url;
  const page = await browser.newPage();
  await page.goto(other.url);
  const why = await page.evaluate(
    async ({ server, token }) => {
      const { listen } = await import("/tidings/index.js");
      return await new Promise((told) => listen({ server, token, onState: (_state, why) => why && told(why.code) }));
    },
    { server: server.url, token: server.token("gina") },
  );
  // A browser tells a page no more than that.
  assert.equal(why, "unreachable");
  await page.close();
  other.close();
});
