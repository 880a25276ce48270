// npm `eventsource`: the W3C interface in Node. It comes back by itself, after `retry:`, with `Last-Event-ID`.
import { EventSource } from "eventsource";

const authorization = `Bearer ${process.env.TIDINGS_TOKEN}`;
const stream = new EventSource(`${process.env.TIDINGS_URL}/api/v1/stream`, {
  fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, authorization } }),
});
const tell = ({ type, lastEventId: cursor, data }) =>
  console.log(JSON.stringify({ type, cursor, frame: JSON.parse(data) }));
stream.addEventListener("ready", tell);
stream.addEventListener("broadcast.created", tell);
