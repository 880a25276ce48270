// What the compiler must know of frames; `tsc` is the test.

import { type Frame, listen } from "../dist/index.js";

type Own = { "invoice.paid": { number: string } };

export function told(frame: Frame<Own>): string {
  switch (frame.type) {
    case "broadcast.created":
      return frame.data.content;
    case "receipt.read":
      return String(frame.data.unread_count);
    case "invoice.paid":
      return frame.data.number + frame.subject;
    case "ready":
      return String(frame.data.recovered);
    case "digest":
      // @ts-expect-error a frame of the session has no id
      return frame.id;
    default:
      return frame.type;
  }
}

export const listener = listen<Own>({ server: "https://tidings.example.com", token: () => "t", onFrame: (frame) => void told(frame) });

// @ts-expect-error a type that nobody named
export const unknown: Frame["type"] = "invoice.paid";
