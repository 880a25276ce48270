// A TCP proxy that cuts its connections: after so many bytes, in the middle of whatever they carry, now with a
// goodbye (FIN) and now without (RST).
import net from "node:net";

export class Cutter {
  cuts = 0;
  cutting = true;

  /** `budget(n)` says after how many bytes the n-th connection is cut. */
  constructor(upstreamPort, budget) {
    let connections = 0;
    this.server = net.createServer((client) => {
      const upstream = net.connect(upstreamPort, "127.0.0.1");
      let left = budget(connections++);
      upstream.on("data", (bytes) => {
        if (!this.cutting || bytes.length < left) {
          left -= bytes.length;
          client.write(bytes);
          return;
        }
        this.cuts += 1;
        upstream.destroy();
        client.write(bytes.subarray(0, left), () => {
          if (this.cuts % 2) client.resetAndDestroy();
          else client.destroy();
        });
      });
      client.on("data", (bytes) => upstream.write(bytes));
      client.on("error", () => upstream.destroy()).on("close", () => upstream.destroy());
      upstream.on("error", () => client.destroy()).on("end", () => client.end());
    });
  }

  /** Listens; answers the address. */
  async listen() {
    await new Promise((listening) => this.server.listen(0, "127.0.0.1", listening));
    return `http://127.0.0.1:${this.server.address().port}`;
  }
}
