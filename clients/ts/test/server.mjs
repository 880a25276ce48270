// The real server in a temporary folder, on free ports of this machine; killed, stopped and started again at will.
import { spawn } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import readline from "node:readline";
import { until } from "./until.mjs";

const TIDINGS = process.env.TIDINGS;
if (!TIDINGS) throw new Error("TIDINGS names the server's binary; scripts/clients does that");

/** A token as an application mints it. */
export function mint(secret, sub, { seconds = 3600, ...claims } = {}) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const said = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub, iat: now, exp: now + seconds, ...claims })}`;
  return `${said}.${createHmac("sha256", secret).update(said).digest("base64url")}`;
}

export class Server {
  secret = randomBytes(32).toString("hex");
  #folder = mkdtempSync(join(tmpdir(), "tidings-clients-"));
  #env;
  #child;

  /** Starts one; `env` adds settings. */
  static async start(env = {}) {
    const server = new Server();
    const inherited = Object.entries(process.env).filter(([name]) => !/^(TIDINGS_|KAFKA_|DATABASE_URL$)/.test(name));
    server.#env = {
      ...Object.fromEntries(inherited),
      DATABASE_URL: `sqlite://${join(server.#folder, "t.db")}`,
      TIDINGS_AUTH__HS256_SECRET: server.secret,
      TIDINGS_SERVER__LISTEN: "127.0.0.1:0",
      TIDINGS_ADMIN__LISTEN: "127.0.0.1:0",
      TIDINGS_GATEWAY__HEARTBEAT_SECS: "1",
      // Who looks again and again until something is so is no crowd.
      TIDINGS_LIMITS__REQUESTS_PER_SECOND: "100000",
      TIDINGS_LIMITS__BROADCASTS_PER_MINUTE: "6000000",
      ...env,
    };
    await server.again();
    return server;
  }

  /** Starts it again, where it was before. */
  async again() {
    const child = spawn(TIDINGS, ["serve"], { env: this.#env, stdio: ["ignore", "ignore", "pipe"] });
    child.ended = new Promise((ended) => child.on("exit", ended));
    this.#child = child;
    const told = [];
    let address;
    readline.createInterface({ input: child.stderr }).on("line", (line) => {
      told.push(line);
      if (line.startsWith("{")) address ??= JSON.parse(line).address;
    });
    await until("the server listens", () => {
      if (child.exitCode !== null) throw new Error(`the server ended: ${told.slice(-5).join("\n")}`);
      return address;
    });
    this.#env.TIDINGS_SERVER__LISTEN = address.replace("http://", "");
    this.url = `http://${this.#env.TIDINGS_SERVER__LISTEN}`;
    this.port = Number(this.url.split(":").at(-1));
  }

  /** Ends it as a power cut would. */
  async kill() {
    this.#child.kill("SIGKILL");
    await this.#child.ended;
  }

  /** Ends it as an operator would. */
  async drain() {
    this.#child.kill("SIGTERM");
    await this.#child.ended;
  }

  /** Ends it and takes its folder away. */
  async remove() {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  token(sub, claims) {
    return mint(this.secret, sub, claims);
  }

  get admin() {
    return { server: this.url, token: this.token("admin", { roles: ["admin"] }) };
  }

  /** Asks the API, as an administrator unless told otherwise. */
  async ask(path, token = this.admin.token) {
    const answer = await fetch(this.url + path, { headers: { authorization: `Bearer ${token}` } });
    return await answer.json();
  }
}
