// The `EventSource` of a real browser, on a page of the server's own origin.
import { chromium } from "playwright-core";

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
const page = await browser.newPage({
  extraHTTPHeaders: { authorization: `Bearer ${process.env.TIDINGS_TOKEN}` },
});
await page.exposeFunction("tell", (line) => console.log(line));
// An empty page of the server's origin; from here on the browser is left alone.
const home = `${process.env.TIDINGS_URL}/`;
await page.route(home, (route) => route.fulfill({ contentType: "text/html", body: "<title>interop</title>" }));
await page.goto(home);
await page.unroute(home);
await page.evaluate(() => {
  const stream = new EventSource("/api/v1/stream");
  const tell = ({ type, lastEventId: cursor, data }) =>
    window.tell(JSON.stringify({ type, cursor, frame: JSON.parse(data) }));
  stream.addEventListener("ready", tell);
  stream.addEventListener("broadcast.created", tell);
});
process.on("SIGTERM", () => browser.close().finally(() => process.exit(0)));
