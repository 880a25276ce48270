// An application of another origin: its pages, its tokens, and the client's files, under a policy as strict as can be.
import { createReadStream } from "node:fs";
import http from "node:http";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const DIST = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");

/** A browser; its contexts are as browsers of different people. */
export function browse() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });
}

export class App {
  /** What `/token` answers; by path, so that people may differ. */
  token = () => "";
  /** What stands in the page. */
  body = "";
  /** How often a token was asked for. */
  asked = 0;

  static async start() {
    const app = new App();
    app.http = http.createServer(({ url }, answer) => app.#answer(url, answer));
    await new Promise((listening) => app.http.listen(0, "127.0.0.1", listening));
    app.url = `http://127.0.0.1:${app.http.address().port}`;
    return app;
  }

  #answer(url, answer) {
    if (url.startsWith("/tidings/")) {
      answer.setHeader("content-type", "text/javascript");
      createReadStream(join(DIST, basename(url))).on("error", () => answer.destroy()).pipe(answer);
    } else if (url.startsWith("/token")) {
      this.asked += 1;
      const token = this.token(url);
      if (token === undefined) answer.statusCode = 401;
      answer.end(token);
    } else {
      const policy = `default-src 'none'; script-src 'self'; connect-src 'self' ${this.server ?? ""}; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'`;
      answer.setHeader("content-security-policy", policy);
      answer.setHeader("content-type", "text/html; charset=utf-8");
      answer.end(`<!doctype html><html lang="en"><title>App</title><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><main><h1>App</h1>${this.body}</main></html>`);
    }
  }

  close() {
    this.http.close();
    this.http.closeAllConnections();
  }
}

/** Notes what a page complains of: errors, and what its policy forbade. */
export function complaints(page) {
  const told = [];
  page.on("pageerror", (cause) => told.push(String(cause)));
  page.on("console", (line) => /Content Security Policy|Trusted/i.test(line.text()) && told.push(line.text()));
  return told;
}
