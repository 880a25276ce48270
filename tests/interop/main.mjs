// Starts the real server and lets other people's clients listen through connections that are cut again and again:
// each must be given every broadcast, in the order in which a client that is never cut saw them. What is repeated is
// dropped by its event id, and only frames of a catch-up may be: they carry no cursor until it has ended.
import { spawn, execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import readline from "node:readline";
import { Cutter } from "./cutter.mjs";

const [tidings, python] = process.argv.slice(2);
const BROADCASTS = 50;
const PAUSE_MS = 200;
const LIMIT_MS = 120_000;
/** What a client has to bear at least. */
const CUTS_MIN = 3;
/** After how many bytes connections are cut: the first ones early, the rest here and there, the last ones never. */
const budget = (n) => [1_500, 6_000, 12_000][n] ?? (n < 8 ? 10_000 + Math.floor(Math.random() * 50_000) : Infinity);
const CLIENTS = [
  { name: "witness", command: [process.execPath, "clients/eventsource.mjs"], cut: false },
  { name: "eventsource", command: [process.execPath, "clients/eventsource.mjs"], cut: true },
  { name: "httpx-sse", command: [python, "clients/python.py"], cut: true },
  { name: "chromium", command: [process.execPath, "clients/chromium.mjs"], cut: true },
];
/** Serves the empty page of an application of its own. */
const pages = http.createServer((_asked, page) => page.setHeader("content-type", "text/html").end("<title>app</title>"));
await new Promise((listening) => pages.listen(0, "127.0.0.1", listening));
/** The origin that the server knows of these pages, and one that it does not. */
const [LISTED, UNLISTED] = ["127.0.0.1", "localhost"].map((host) => `http://${host}:${pages.address().port}`);
/** What some parsers take for the end of a line. */
const NASTY = "a\rb\nc\r\nd\u2028e\u2029f\u0085g\u000bh\u000ci é 😀 data: x";

const folder = mkdtempSync(join(tmpdir(), "tidings-interop-"));
const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("TIDINGS_"));
const environment = {
  ...Object.fromEntries(inherited),
  DATABASE_URL: `sqlite://${join(folder, "t.db")}`,
  TIDINGS_AUTH__HS256_SECRET: randomBytes(32).toString("hex"),
  TIDINGS_SERVER__LISTEN: "127.0.0.1:0",
  TIDINGS_ADMIN__LISTEN: "127.0.0.1:0",
  TIDINGS_GATEWAY__HEARTBEAT_SECS: "1",
  // Who looks again and again until something is so is no crowd.
  TIDINGS_LIMITS__REQUESTS_PER_SECOND: "100000",
  TIDINGS_LIMITS__BROADCASTS_PER_MINUTE: "6000000",
  TIDINGS_SERVER__ORIGINS: LISTED,
};
const children = [];

function start(command, env) {
  const child = spawn(command[0], command.slice(1), { env, stdio: ["ignore", "pipe", "pipe"] });
  child.ended = new Promise((ended) => child.on("exit", (code) => ended(code)));
  children.push(child);
  return child;
}

/** Looks until `found` answers something, or the limit is over. */
async function until(what, found) {
  const started = Date.now();
  for (;;) {
    const answer = found();
    if (answer) return answer;
    if (Date.now() - started > LIMIT_MS) throw new Error(`did not happen in time: ${what}`);
    await new Promise((resume) => setTimeout(resume, 20));
  }
}

async function serve() {
  const server = start([tidings, "serve"], environment);
  let address;
  const told = [];
  readline.createInterface({ input: server.stderr }).on("line", (line) => {
    told.push(line);
    if (line.startsWith("{")) address ??= JSON.parse(line).address;
  });
  await until("the server listens", () => {
    if (server.exitCode !== null) throw new Error(`the server ended: ${told.join("\n")}`);
    return address;
  });
  return { server, port: Number(address.split(":").at(-1)) };
}

function token(...who) {
  return execFileSync(tidings, ["token", ...who], { env: environment, encoding: "utf8" }).trim();
}

async function listen({ name, command, cut }, port) {
  const cutter = new Cutter(port, cut ? budget : () => Infinity);
  const url = await cutter.listen();
  const env = { ...environment, TIDINGS_URL: url, TIDINGS_TOKEN: token("--sub", name) };
  const child = start(command, env);
  const client = { name, cut, cutter, child, ready: 0, repeats: 0, heard: [], told: [] };
  const [seen, live] = [new Set(), new Set()];
  let before;
  readline.createInterface({ input: child.stderr }).on("line", (line) => client.told.push(line));
  readline.createInterface({ input: child.stdout }).on("line", (line) => {
    const { type, cursor, frame } = JSON.parse(line);
    if (type === "ready") {
      client.ready += 1;
    } else if (seen.has(frame.id)) {
      client.repeats += 1;
      if (live.has(frame.id)) client.wrong = `came again after its cursor: ${frame.data.content.slice(0, 3)}`;
    } else {
      seen.add(frame.id);
      if (cursor !== before) live.add(frame.id);
      client.heard.push(frame.data.content);
    }
    before = cursor;
  });
  return client;
}

async function broadcast(url, admin, content) {
  const answer = await fetch(`${url}/api/v1/broadcasts`, {
    method: "POST",
    headers: { authorization: `Bearer ${admin}`, "content-type": "application/json" },
    body: JSON.stringify({ content, target: { type: "all" } }),
  });
  if (answer.status !== 201) throw new Error(`a broadcast was refused: ${await answer.text()}`);
}

/** What is wrong with what a client heard; nothing if all is well. */
function judge(client, said, witness) {
  if (client.cut && client.cutter.cuts < CUTS_MIN) return `cut only ${client.cutter.cuts} times`;
  const missing = said.filter((content) => !client.heard.includes(content)).length;
  if (missing) return `${missing} of ${said.length} are missing`;
  if (client.heard.length > said.length) return "heard what nobody said";
  if (client.heard.some((content, n) => content !== witness.heard[n])) return "the order differs";
  return client.wrong;
}

/** A page of a listed origin connects with its own token by every way; one of another origin by none. */
async function elsewhere(origin, port) {
  const env = { ...environment, TIDINGS_TOKEN: token("--sub", "visitor") };
  const child = start([process.execPath, "clients/elsewhere.mjs", origin, `http://127.0.0.1:${port}`], env);
  let came;
  readline.createInterface({ input: child.stdout }).on("line", (line) => (came = JSON.parse(line)));
  await until(`the page of ${origin} has tried`, () => came ?? child.exitCode !== null);
  const connected = Object.values(came ?? {}).filter((word) => word === "event: ready").length;
  const wrong = came === undefined || connected !== (origin === LISTED ? 3 : 0);
  console.log(`${wrong ? "FAILED" : "passed"}  page of ${origin}: ${JSON.stringify(came)}`);
  return wrong ? 1 : 0;
}

async function run() {
  const { server, port } = await serve();
  const admin = token("--sub", "admin", "--role", "admin");
  const clients = await Promise.all(CLIENTS.map((client) => listen(client, port)));
  const [witness] = clients;
  for (const client of clients) {
    await until(`${client.name} is ready`, () => {
      if (client.child.exitCode !== null) throw new Error(`${client.name} ended: ${client.told.join("\n")}`);
      return client.ready;
    });
  }
  const said = [];
  for (let n = 0; n < BROADCASTS; n += 1) {
    said.push(`${n} ${NASTY} ${"x".repeat(Math.floor(Math.random() * 1500))}`);
    await broadcast(`http://127.0.0.1:${port}`, admin, said.at(-1));
    await new Promise((resume) => setTimeout(resume, PAUSE_MS));
  }
  const all = (client) => said.every((content) => client.heard.includes(content));
  await until("all are heard", () => clients.every(all)).catch(() => {});
  // What comes again against the rules comes before the last word.
  for (const client of clients) client.cutter.cutting = false;
  said.push("last");
  await broadcast(`http://127.0.0.1:${port}`, admin, "last");
  await until("the last is heard", () => clients.every((client) => client.heard.includes("last"))).catch(() => {});

  let failed = 0;
  for (const client of clients) {
    const wrong = judge(client, said, witness);
    if (wrong) failed += 1;
    const how = `${client.heard.length} events, ${client.cutter.cuts} cuts, ${client.repeats} repeats dropped`;
    console.log(`${wrong ? "FAILED" : "passed"}  ${client.name}: ${how}${wrong ? `: ${wrong}` : ""}`);
    if (wrong) client.told.slice(-5).forEach((line) => console.log(`          ${line}`));
  }
  for (const origin of [LISTED, UNLISTED]) failed += await elsewhere(origin, port);
  server.kill("SIGTERM");
  const code = await server.ended;
  if (code !== 0) failed += 1;
  console.log(`${code === 0 ? "passed" : "FAILED"}  server: drained, exit code ${code}`);
  console.log(`${clients.length + 3 - failed} passed, ${failed} failed`);
  return failed;
}

let failed = 1;
try {
  failed = await run();
} catch (cause) {
  console.error(`interop: ${cause.message}`);
} finally {
  for (const child of children) if (child.exitCode === null) child.kill("SIGTERM");
  await Promise.all(children.map((child) => child.ended));
  pages.close();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);
