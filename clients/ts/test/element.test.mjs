// `<tidings-inbox>` in Chromium, in a page of another origin with a strict policy, against the real server.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { send } from "../dist/index.js";
import { App, browse, complaints } from "./app.mjs";
import { Server } from "./server.mjs";
import { until } from "./until.mjs";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
/** Where pictures are put, if somebody wants to look at them. */
const PICTURES = process.env.TIDINGS_PICTURES;
const PHONE = { width: 390, height: 740 };

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

/** Says something to somebody, and waits until it lies in their inbox: only then the next stands behind it. */
async function to(user, said) {
  const { id } = await send(server.admin, { target: { type: "selected", ids: [user] }, ...said });
  const lies = async () => (await server.ask("/api/v1/inbox", server.token(user))).items.some((item) => item.id === id);
  await until("it lies in the inbox", lies);
}

/** A page with the element of a person. */
async function inboxOf(user, how = {}) {
  app.body = `<script type="module" src="/tidings/element.js"></script>
    <tidings-inbox server="${server.url}" token-from="/token?user=${user}"></tidings-inbox>`;
  const context = await browser.newContext(how);
  const page = await context.newPage();
  const told = complaints(page);
  await page.goto(app.url);
  const part = (name) => page.locator(`tidings-inbox [part~="${name}"]`);
  return { context, page, told, part, bell: part("bell"), items: part("item") };
}

/** What axe finds wrong. */
async function flaws(page) {
  await page.addScriptTag({ path: AXE }).catch(() => undefined);
  const axe = await page.evaluate(() => typeof window.axe);
  assert.equal(axe, "object");
  const { violations } = await page.evaluate(() => window.axe.run());
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

async function picture(page, name) {
  if (!PICTURES) return;
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `${name}.png`) });
}

test("the bell counts, the panel lists, a click reads, and a read elsewhere is seen here", async () => {
  await to("alice", { title: "Canteen", content: "It closes at two today." });
  const { page, bell, items, part, told, context } = await inboxOf("alice");
  await until("it is counted", async () => (await bell.getAttribute("aria-label")) === "Messages, 1 unread");
  assert.equal(await part("badge").textContent(), "1");
  await bell.click();
  await items.first().waitFor();
  assert.equal(await part("item-title").textContent(), "Canteen");
  assert.equal(await part("content").textContent(), "It closes at two today.");

  await to("alice", { title: "Lunch", content: "Soup" });
  await until("it comes by itself", async () => (await items.count()) === 2);
  await until("it is spoken", async () => (await page.locator("tidings-inbox [aria-live]").textContent()).endsWith("Lunch"));
  await part("item-main").first().click();
  await until("it is read", async () => (await bell.getAttribute("aria-label")) === "Messages, 1 unread");
  const stored = async () => (await server.ask("/api/v1/inbox", server.token("alice"))).items;
  await until("the server knows", async () => (await stored()).map(({ state }) => state).join() === "read,delivered");

  const elsewhere = { method: "POST", headers: { authorization: `Bearer ${server.token("alice")}` } };
  await fetch(`${server.url}/api/v1/inbox/${(await stored())[1].id}/read`, elsewhere);
  await until("a read elsewhere is seen", async () => (await bell.getAttribute("aria-label")) === "Messages");
  assert.equal(await part("badge").isHidden(), true);
  assert.deepEqual(told, []);
  await context.close();
});

test("where opening the panel is reading, what it shows is read, and what comes to it too", async () => {
  await to("hank", { content: "one" });
  const { page, bell, part, context } = await inboxOf("hank");
  await page.evaluate(() => document.querySelector("tidings-inbox").setAttribute("read-on", "open"));
  await until("it is counted", async () => (await bell.getAttribute("aria-label")) === "Messages, 1 unread");
  await bell.click();
  await until("it is read", async () => (await bell.getAttribute("aria-label")) === "Messages");
  await to("hank", { content: "two" });
  const stored = async () => (await server.ask("/api/v1/inbox", server.token("hank"))).items;
  await until("the next is read too", async () => (await stored()).map(({ state }) => state).join() === "read,read");
  assert.equal(await part("unread").count(), 0);
  await context.close();
});

test("everything is read at once, and an item is taken out", async () => {
  for (const content of ["one", "two", "three"]) await to("bob", { content });
  const { bell, items, part, told, context } = await inboxOf("bob");
  await bell.click();
  await until("all are there", async () => (await items.count()) === 3);
  await part("read-all").click();
  await until("all are read", async () => (await part("unread").count()) === 0);
  await items.first().hover();
  await part("remove").first().click();
  await until("it is gone", async () => (await items.count()) === 2);
  const stored = async () => (await server.ask("/api/v1/inbox", server.token("bob"))).items.map(({ content }) => content);
  await until("the server knows", async () => (await stored()).join() === "two,one");
  assert.deepEqual(told, []);
  await context.close();
});

test("what others wrote is text and never markup, and a link leads where it says", async () => {
  const attack = `<img src=x onerror="window.hit=1"><script>window.hit=2</script>`;
  await to("mallory", { title: attack, content: attack });
  await to("mallory", { content: "Elsewhere", action_url: "https://example.com/orders/7" });
  await to("mallory", { content: "Here", action_url: "/orders/7" });
  const { page, bell, part, told, context } = await inboxOf("mallory");
  await bell.click();
  await part("item-title").first().waitFor();
  assert.equal(await part("item-title").textContent(), attack);
  assert.equal(await part("content").last().textContent(), attack);
  assert.equal(await page.locator("tidings-inbox img, tidings-inbox script").count(), 0);
  const mains = await part("item-main").evaluateAll((found) => found.map(({ localName, href }) => [localName, href]));
  assert.deepEqual(mains, [["a", `${app.url}/orders/7`], ["a", "https://example.com/orders/7"], ["button", undefined]]);
  await part("item-main").last().click();
  assert.equal(await page.evaluate(() => window.hit), undefined);
  assert.deepEqual(told, []);
  await context.close();
});

test("an application can open what is selected by itself", async () => {
  await to("carol", { content: "Go", action_url: "https://example.com/" });
  const { page, bell, part, context } = await inboxOf("carol");
  await page.evaluate(() => {
    addEventListener("tidings-select", (event) => {
      event.preventDefault();
      window.selected = event.detail.action_url;
    });
  });
  await bell.click();
  await part("item-main").click();
  assert.equal(await page.evaluate(() => window.selected), "https://example.com/");
  assert.equal(page.url(), `${app.url}/`);
  await context.close();
});

test("the keyboard reaches everything", async () => {
  for (const content of ["one", "two", "three"]) await to("dora", { content });
  const { page, bell, items, part, context } = await inboxOf("dora");
  await until("all are counted", async () => (await bell.getAttribute("aria-label")) === "Messages, 3 unread");
  const focused = () => page.evaluate(() => {
    const inside = document.querySelector("tidings-inbox").shadowRoot.activeElement;
    return inside && `${inside.part} ${inside.querySelector("[part=content]")?.textContent ?? ""}`.trim();
  });
  await bell.focus();
  await page.keyboard.press("Enter");
  await items.first().waitFor();
  assert.equal(await bell.getAttribute("aria-expanded"), "true");
  await page.keyboard.press("Home");
  const seen = [];
  for (const key of ["ArrowDown", "End", "ArrowUp", "ArrowUp", "ArrowUp"]) {
    await page.keyboard.press(key);
    seen.push((await focused()).split(" ").at(-1));
  }
  assert.deepEqual(seen, ["two", "one", "two", "three", "three"]);
  await page.keyboard.press("Enter");
  await until("Enter reads", async () => (await bell.getAttribute("aria-label")) === "Messages, 2 unread");
  await page.keyboard.press("Delete");
  await until("Delete takes it out", async () => (await items.count()) === 2);
  await until("the next has the focus", async () => (await focused()).endsWith("two"));
  await page.keyboard.press("Escape");
  await part("panel").waitFor({ state: "hidden" });
  assert.equal(await bell.getAttribute("aria-expanded"), "false");
  assert.match(await focused(), /^bell/);
  await context.close();
});

test("who is signed out is told so, and comes in again after trying again", async () => {
  let signedIn = false;
  app.token = (url) => (signedIn ? server.token(url.split("=").at(-1)) : undefined);
  const { page, bell, part, told, context } = await inboxOf("erin", { bypassCSP: true });
  await bell.click();
  await part("notice").waitFor();
  await picture(page, "refused");
  assert.deepEqual(await flaws(page), []);
  assert.match(await part("notice").textContent(), /signed out/);
  const before = app.asked;
  signedIn = true;
  await to("erin", { content: "Welcome back" });
  assert.equal(app.asked, before, "it does not come back by itself");
  await part("notice").locator("button").click();
  await part("item").waitFor();
  assert.equal(await part("notice").isHidden(), true);
  assert.deepEqual(told, []);
  app.token = (url) => server.token(url.split("=").at(-1));
  await context.close();
});

test("an empty inbox says so; one whose server is away says that what it shows may be old, and recovers", async () => {
  const { page, bell, part, items, context } = await inboxOf("finn", { bypassCSP: true });
  await bell.click();
  await part("empty").waitFor();
  await server.kill();
  await part("notice").waitFor();
  await picture(page, "empty stale");
  assert.deepEqual(await flaws(page), []);
  assert.match(await part("notice").textContent(), /may be old/);
  await server.again();
  await part("notice").waitFor({ state: "hidden" });
  await to("finn", { content: "Back" });
  await until("it goes on", async () => (await items.count()) === 1);
  await context.close();
});

test("somebody mutes a category and has quiet hours, and both hold on the server", async () => {
  const said = { title: "Sale", content: "Everything must go", category: "marketing" };
  await to("ida", said);
  await to("ida", { content: "Rota", category: "work" });
  const { page, bell, items, part, told, context } = await inboxOf("ida", { timezoneId: "Europe/Berlin", bypassCSP: true });
  await bell.click();
  await until("both are there", async () => (await items.count()) === 2);
  await part("show-preferences").click();
  await part("preferences").getByLabel("marketing").check();
  await part("preferences").getByLabel("Only urgent").check();
  await page.locator("tidings-inbox #start").fill("21:30");
  await picture(page, "preferences");
  assert.deepEqual(await flaws(page), []);
  await part("save").click();
  await until("it is saved", async () => (await part("said").textContent()) === "Saved");
  assert.deepEqual(await server.ask("/api/v1/preferences", server.token("ida")), {
    muted_categories: ["marketing"],
    quiet_hours: { start: "21:30", end: "07:00", time_zone: "Europe/Berlin" },
  });

  await part("preferences").getByLabel("Only urgent").uncheck();
  await part("save").click();
  const kept = () => server.ask("/api/v1/preferences", server.token("ida"));
  await until("the night is over", async () => (await kept()).quiet_hours === null);
  await part("show-preferences").click();
  await send(server.admin, { target: { type: "selected", ids: ["ida"] }, ...said });
  await to("ida", { content: "Shift", category: "work" });
  await until("what is wanted comes", async () => (await part("content").first().textContent()) === "Shift");
  const sales = (await part("content").allTextContents()).filter((text) => text === said.content);
  assert.ok(sales.length <= 1, "the second sale does not come");
  assert.deepEqual(told, []);
  await context.close();
});

test("words, icon and colours are the application's to choose", async () => {
  const { page, bell, part, context } = await inboxOf("gina");
  await page.evaluate(() => {
    const inbox = document.querySelector("tidings-inbox");
    inbox.strings = { label: "Nachrichten", empty: "Noch nichts da" };
    inbox.style.setProperty("--tidings-surface", "rgb(1, 2, 3)");
  });
  assert.equal(await bell.getAttribute("aria-label"), "Nachrichten");
  await bell.click();
  await part("empty").waitFor();
  assert.match(await part("empty").innerText(), /Noch nichts da/);
  assert.equal(await part("panel").evaluate((panel) => getComputedStyle(panel).backgroundColor), "rgb(1, 2, 3)");
  await context.close();
});

for (const [name, how] of Object.entries({
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  phone: { colorScheme: "light", viewport: PHONE, hasTouch: true, isMobile: true },
  "phone dark": { colorScheme: "dark", viewport: PHONE, hasTouch: true, isMobile: true },
})) {
  test(`axe finds nothing: ${name}`, async () => {
    const user = `reader ${name}`.replaceAll(" ", "-");
    await to(user, { title: "Rota for next week", content: "The new rota is out. Check your shifts by Thursday.", action_url: "https://example.com/rota" });
    await to(user, { content: `A long one. ${"Nobody reads it to its end, and so it is folded. ".repeat(9)}` });
    await to(user, { title: "Water off in wing B", content: "From 14:00 to 16:00.\nBring bottles.", priority: "high" });
    await to(user, { title: "Fire drill", content: "Leave by the nearest stairs.", priority: "urgent" });
    const { page, bell, items, part, context } = await inboxOf(user, { ...how, bypassCSP: true });
    await until("all are counted", async () => (await bell.getAttribute("aria-label")) === "Messages, 4 unread");
    assert.deepEqual(await flaws(page), []);
    await picture(page, `${name} closed`);
    await bell.click();
    await until("all are there", async () => (await items.count()) === 4);
    await part("item-main").last().click({ modifiers: [], noWaitAfter: true, trial: true });
    await part("item-main").nth(2).click();
    await until("one is read", async () => (await part("unread").count()) === 3);
    assert.deepEqual(await flaws(page), []);
    const { width } = page.viewportSize();
    const box = await part("panel").boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= width, "the panel lies in the window");
    await picture(page, `${name} open`);
    await context.close();
  });
}
