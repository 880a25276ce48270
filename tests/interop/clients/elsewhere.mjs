// A page of another origin, in a real browser, with its own token: by `fetch`, by `EventSource` with a ticket, and by
// WebSocket. `elsewhere.mjs <origin> <server>`: prints what each of the three came to, as one line of JSON.
import { chromium } from "playwright-core";

const [origin, server] = process.argv.slice(2);
const LIMIT_MS = 10_000;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
const page = await browser.newPage();
await page.goto(`${origin}/`);
const came = await page.evaluate(
  async ({ server, token, limit }) => {
    const authorization = `Bearer ${token}`;
    const within = (asked) =>
      Promise.race([
        asked.catch((cause) => `refused: ${cause.message ?? cause}`),
        new Promise((late) => setTimeout(late, limit, "nothing came")),
      ]);
    const byFetch = async () => {
      const answer = await fetch(`${server}/api/v1/stream`, { headers: { authorization } });
      const { value } = await answer.body.getReader().read();
      return new TextDecoder().decode(value).split("\n")[0];
    };
    const byTicket = async () => {
      const asked = await fetch(`${server}/api/v1/stream-tickets`, { method: "POST", headers: { authorization } });
      const { ticket } = await asked.json();
      const stream = new EventSource(`${server}/api/v1/stream?ticket=${ticket}`);
      return new Promise((ready, failed) => {
        stream.addEventListener("ready", () => (ready("event: ready"), stream.close()));
        stream.addEventListener("error", () => failed("the stream was refused"));
      });
    };
    const byWebSocket = () =>
      new Promise((ready, failed) => {
        const socket = new WebSocket(`${server.replace("http", "ws")}/api/v1/ws`, "tidings.v1");
        socket.addEventListener("open", () => socket.send(JSON.stringify({ type: "hello", token })));
        socket.addEventListener("message", ({ data }) => (ready(`event: ${JSON.parse(data).type}`), socket.close()));
        socket.addEventListener("close", ({ code }) => failed(`closed ${code}`));
      });
    return {
      fetch: await within(byFetch()),
      ticket: await within(byTicket()),
      websocket: await within(byWebSocket()),
    };
  },
  { server, token: process.env.TIDINGS_TOKEN, limit: LIMIT_MS },
);
console.log(JSON.stringify(came));
await browser.close();
