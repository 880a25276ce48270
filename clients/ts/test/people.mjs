// People whom the directory knows, with their chats.
import { chat } from "../dist/chat.js";

/** Enters people in the directory. */
export async function enter(server, ...names) {
  for (const name of names) {
    const body = JSON.stringify({ display_name: name, roles: [], groups: [] });
    const headers = { authorization: `Bearer ${server.admin.token}`, "content-type": "application/json" };
    const answer = await fetch(`${server.url}/api/v1/directory/users/${name}`, { method: "PUT", headers, body });
    if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
  }
}

/** Says something over HTTP, as another program of theirs would. */
export async function say(server, user, conversation, content) {
  const path = `${server.url}/api/v1/conversations/${conversation}/messages`;
  const headers = { authorization: `Bearer ${server.token(user)}`, "content-type": "application/json" };
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify({ content }) });
  if (!answer.ok) throw new Error(await answer.text());
  return await answer.json();
}

/** Somebody's chat. */
export const chatOf = (server, user, more = {}) => chat({ server: server.url, token: server.token(user), ...more });

/** What a room shows, as people read it. */
export const contents = ({ state }) => state.messages.map(({ content }) => content);
export const states = ({ state }) => state.messages.map((message) => message.state);
