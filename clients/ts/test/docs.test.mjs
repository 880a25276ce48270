// The page of the API, `/docs`, in Chromium: it shows all that both references say, and is found through by keys alone.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { browse, complaints } from "./app.mjs";
import { Server } from "./server.mjs";
import { until } from "./until.mjs";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const METHODS = ["get", "post", "put", "patch", "delete"];

let browser, server, http, spoken;
before(async () => {
  server = await Server.start();
  http = await (await fetch(`${server.url}/api/v1/openapi.json`)).json();
  spoken = await (await fetch(`${server.url}/api/v1/asyncapi.json`)).json();
  browser = await browse();
});
after(async () => {
  await browser?.close();
  await server?.remove();
});

/** The page, once it has shown the references. */
async function docs(hash = "", how = {}) {
  const page = await browser.newPage(how);
  page.complaints = complaints(page);
  await page.goto(`${server.url}/docs${hash}`);
  await page.waitForSelector("#problems details.entry");
  return page;
}

const shown = (page) => page.$$eval("details.entry", (all) => all.filter((one) => one.checkVisibility()).map((one) => one.id));

test("each operation, frame, command, topic and problem is there once, and says something when it is opened", async () => {
  const page = await docs();
  const operations = Object.values(http.paths).flatMap((methods) => METHODS.map((method) => methods[method]?.operationId));
  const topics = Object.values(spoken.channels).filter((channel) => channel.bindings?.kafka !== undefined);
  const wanted = [
    ...operations.filter(Boolean),
    ...Object.keys(spoken.channels.stream.messages).map((key) => `frame.${key}`),
    ...topics.map((channel) => `topic.${channel.title}`),
    ...http.components.schemas.Problem.examples.map((example) => example.code),
  ];
  const entries = await shown(page);
  assert.equal(new Set(entries).size, entries.length, "no entry twice");
  assert.deepEqual(wanted.filter((id) => !entries.includes(id)), []);
  const silent = await page.$$eval("details.entry", (all) =>
    all.filter((one) => {
      one.open = true;
      one.dispatchEvent(new Event("toggle"));
      return (one.querySelector(".inside")?.textContent ?? "").length < 20;
    }).map((one) => one.id));
  assert.deepEqual(silent, []);
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test("it is searched by keys alone, and the address of an entry opens it", async () => {
  const page = await docs();
  const all = (await shown(page)).length;
  await page.keyboard.press("/");
  await page.keyboard.type("broadcast stats");
  const found = await shown(page);
  assert.ok(found.length > 0 && found.length < all, `${found.length} of ${all}`);
  assert.equal(await page.textContent("#found"), found.length === 1 ? "1 found" : `${found.length} found`);
  await page.keyboard.press("Escape");
  assert.equal((await shown(page)).length, all);
  await page.close();

  const problem = http.components.schemas.Problem.examples[0].code;
  const opened = await docs(`#${problem}`);
  assert.equal(await opened.$eval(`[id="${problem}"]`, (one) => one.open), true);
  await until("its summary has the focus", () => opened.evaluate(() => document.activeElement?.tagName === "SUMMARY"));
  await opened.close();
});

test("nothing keeps anybody out, in light and dark, on a phone and beside a window", async () => {
  for (const colorScheme of ["light", "dark"]) {
    for (const viewport of [{ width: 390, height: 740 }, { width: 1280, height: 800 }]) {
      const page = await docs("", { colorScheme, viewport, bypassCSP: true });
      await page.addScriptTag({ path: AXE });
      const found = await page.evaluate(async () => (await window.axe.run()).violations.map((one) => `${one.id}: ${one.nodes[0].html}`));
      assert.deepEqual(found, [], `${colorScheme}, ${viewport.width}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(wide <= 0, `${wide} px beyond the window`);
      await page.close();
    }
  }
});
