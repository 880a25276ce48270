// A TCP relay before the server: counts requests, and cuts answers when it is told to.
import net from "node:net";

export class Relay {
  /** The request lines that went through. */
  requests = [];
  /** After how many bytes of the answer to a request the connection is cut. */
  budget = () => Infinity;

  /** Listens on a free port and passes on to `port`. */
  static async to(port) {
    const relay = new Relay();
    relay.server = net.createServer((client) => {
      const upstream = net.connect(port, "127.0.0.1");
      let left = Infinity;
      client.on("data", (bytes) => {
        const [line] = bytes.toString("latin1").split("\r\n", 1);
        if (/^[A-Z]+ \//.test(line)) {
          relay.requests.push(line);
          left = relay.budget(line);
        }
        upstream.write(bytes);
      });
      upstream.on("data", (bytes) => {
        left -= bytes.length;
        if (left >= 0) client.write(bytes);
        else client.end(bytes.subarray(0, Math.max(0, bytes.length + left)));
      });
      for (const [one, other] of [[client, upstream], [upstream, client]]) {
        one.on("error", () => other.destroy()).on("close", () => other.destroy());
      }
    });
    await new Promise((listening) => relay.server.listen(0, "127.0.0.1", listening));
    // A test that fails must not wait for it.
    relay.server.unref();
    relay.url = `http://127.0.0.1:${relay.server.address().port}`;
    return relay;
  }

  /** How many requests began so. */
  count(start) {
    return this.requests.filter((line) => line.startsWith(start)).length;
  }

  close() {
    this.server.close();
  }
}
