// The application in the README, taken from there and run as it stands: a page of another origin, with tokens of its
// own, has a live inbox.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { send } from "../dist/index.js";
import { browse, complaints } from "./app.mjs";
import { Server } from "./server.mjs";
import { until } from "./until.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
const LINES = 25;

/** A port that nobody has at the moment. */
async function freePort() {
  const probe = net.createServer();
  await new Promise((listening) => probe.listen(0, "127.0.0.1", listening));
  const { port } = probe.address();
  await new Promise((closed) => probe.close(closed));
  return port;
}

test("the application of the README has a live inbox", async () => {
  const [, text] = readFileSync(join(ROOT, "README.md"), "utf8").match(/```js\n(\/\/ app\.mjs[^]*?)```/);
  const lines = text.trimEnd().split("\n");
  assert.ok(lines.length <= LINES, `${lines.length} lines`);

  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const server = await Server.start({ TIDINGS_SERVER__ORIGINS: origin });
  const folder = mkdtempSync(join(tmpdir(), "tidings-readme-"));
  writeFileSync(join(folder, "app.mjs"), text);
  const env = { ...process.env, TIDINGS: server.url, SECRET: server.secret, PORT: String(port) };
  const app = spawn(process.execPath, [join(folder, "app.mjs")], { env, cwd: ROOT, stdio: "inherit" });
  const browser = await browse();
  try {
    const page = await browser.newPage();
    const told = complaints(page);
    await until("the application serves", () => fetch(origin).then(({ ok }) => ok, () => false));
    await page.goto(origin);
    const bell = page.locator("tidings-inbox [part~=bell]");
    await until("its inbox is live", () => page.evaluate(() => document.querySelector("tidings-inbox").inbox?.state.live));
    await send(server.admin, { title: "Hello", content: "From another origin", target: { type: "selected", ids: ["alice"] } });
    await until("it comes by itself", async () => (await bell.getAttribute("aria-label")) === "Messages, 1 unread");
    await bell.click();
    assert.equal(await page.locator("tidings-inbox [part~=content]").textContent(), "From another origin");
    assert.deepEqual(told, []);
  } finally {
    await browser.close();
    app.kill();
    await server.remove();
    rmSync(folder, { recursive: true, force: true });
  }
});
