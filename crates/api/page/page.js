// The page of the API: reads both references of the server it came from, and shows them to people. Everything is put in
// as text, never as markup.

const REFERENCES = ["api/v1/openapi.json", "api/v1/asyncapi.json"];
const METHODS = ["get", "post", "put", "patch", "delete"];

/** An element with attributes and children; texts become text. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(key, value);
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== ""));
  return element;
}

/** A sentence of a reference: what stands between backticks is code. */
function sentence(text) {
  return (text ?? "").split("`").map((part, number) => (number % 2 === 1 ? make("code", {}, part) : part));
}

/** What a `$ref` names. */
function meant(file, value) {
  let found = value;
  for (let steps = 0; found?.$ref !== undefined && steps < 8; steps += 1) {
    const path = found.$ref.slice(2).split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
    found = path.reduce((inner, key) => inner?.[key], file);
  }
  return found ?? {};
}

/** A block of code that can be copied. */
function box(text, label) {
  const copy = make("button", { type: "button" }, "Copy");
  copy.setAttribute("aria-label", `Copy ${label}`);
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Not allowed";
    }
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  });
  return make("div", { class: "box" }, make("pre", { tabindex: "0", "aria-label": label }, make("code", {}, text)), copy);
}

function pretty(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** A schema's type, in words. */
function typed(file, schema) {
  const whole = meant(file, schema);
  if (whole.const !== undefined) return JSON.stringify(whole.const);
  if (whole.enum !== undefined) return whole.enum.map((value) => JSON.stringify(value)).join(" | ");
  const one = whole.oneOf ?? whole.anyOf;
  if (one !== undefined) return [...new Set(one.map((inner) => typed(file, inner)))].join(" | ");
  if (whole.allOf !== undefined) return "object";
  const types = [whole.type ?? "anything"].flat();
  return types
    .map((type) => (type === "array" ? `list of ${typed(file, whole.items ?? {})}` : type))
    .map((type) => (type === "string" && whole.format !== undefined ? whole.format : type))
    .join(" | ");
}

/** The fields of a schema, with those of objects within it, as rows: name, type, whether it must be there, meaning. */
function fields(file, schema, before = "", depth = 0) {
  const whole = meant(file, schema);
  const parts = [...(whole.allOf ?? []), ...(whole.oneOf ?? []).filter((part) => meant(file, part).type !== "null")];
  const rows = parts.flatMap((part) => fields(file, part, before, depth));
  if (whole.type === "array" || whole.items !== undefined) return [...rows, ...fields(file, whole.items ?? {}, `${before}[].`, depth)];
  for (const [name, field] of Object.entries(whole.properties ?? {})) {
    const inner = meant(file, field);
    rows.push({
      name: `${before}${name}`, type: typed(file, field), must: whole.required?.includes(name) ?? false,
      meaning: field.description ?? inner.description,
    });
    if (depth < 4) rows.push(...fields(file, field, `${before}${name}.`, depth + 1));
  }
  const seen = new Set();
  return rows.filter((row) => !seen.has(row.name) && seen.add(row.name));
}

function table(rows, caption) {
  if (rows.length === 0) return undefined;
  const lines = rows.map((row) => make("tr", {},
    make("td", {}, make("code", {}, row.name), row.must ? make("span", { class: "must" }, "required") : ""),
    make("td", {}, row.type), make("td", {}, sentence(row.meaning))));
  const head = make("tr", {}, ...["Name", "Type", "Meaning"].map((name) => make("th", { scope: "col" }, name)));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    make("table", {}, make("thead", {}, head), make("tbody", {}, lines)));
}

/** One thing that can be opened: a mark, a name, what it says, and the rest once it is asked for. */
function entry({ id, mark, kind, name, says, words }, inside) {
  const heading = make("h3", {}, make("span", { class: `mark ${kind}` }, mark), make("code", {}, name));
  const details = make("details", { class: "entry", id }, make("summary", {}, heading, make("span", { class: "says" }, sentence(says))));
  details.dataset.words = `${name} ${says ?? ""} ${words ?? ""} ${mark}`.toLowerCase();
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(make("div", { class: "inside" }, ...inside().filter(Boolean)));
  });
  return details;
}

function whoMay(operation) {
  const needs = operation.security?.[0] ?? {};
  if (needs.token === undefined) return ["Anybody may call it."];
  if (needs.token.length === 0) return ["Whoever has a token."];
  return ["Whoever has a token with the scope ", ...needs.token.map((scope) => make("code", {}, scope)), ", or the role ", make("code", {}, "admin"), "."];
}

function exampleOf(file, content) {
  const [media, body] = Object.entries(content ?? {})[0] ?? [];
  if (body === undefined) return {};
  const example = body.example ?? Object.values(body.examples ?? {})[0]?.value;
  return { media, schema: body.schema ?? {}, example };
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** An operation as a command of the shell. */
function curl(file, method, path, operation) {
  const parameters = (operation.parameters ?? []).map((parameter) => meant(file, parameter));
  const filled = path.replace(/\{(\w+)\}/g, (whole, name) => {
    const known = parameters.find((parameter) => parameter.in === "path" && parameter.name === name);
    return encodeURIComponent(known?.example ?? known?.schema?.example ?? whole);
  });
  const asked = parameters.filter((parameter) => parameter.in === "query" && parameter.required)
    .map((parameter) => `${parameter.name}=${encodeURIComponent(parameter.example ?? parameter.schema?.example ?? "…")}`);
  const url = `${location.origin}${filled}${asked.length > 0 ? `?${asked.join("&")}` : ""}`;
  const words = [method === "get" ? "curl" : `curl -X ${method.toUpperCase()}`, quoted(url)];
  if (operation.security?.[0]?.token !== undefined) words.push(`-H "Authorization: Bearer $TOKEN"`);
  const { media, example } = exampleOf(file, operation.requestBody?.content);
  if (media !== undefined) words.push(`-H 'Content-Type: ${media}'`);
  if (example !== undefined) words.push(`--data-binary ${quoted(typeof example === "string" ? example : JSON.stringify(example))}`);
  if (path.endsWith("/stream")) words.push("--no-buffer");
  return words.join(" \\\n  ");
}

function operationEntry(file, method, path, operation) {
  const scope = operation.security?.[0]?.token?.join(" ") ?? "";
  const head = {
    id: operation.operationId, mark: method.toUpperCase(), kind: method, name: path, says: operation.summary,
    words: `${operation.operationId} ${operation.tags?.join(" ")} ${scope} ${operation.description ?? ""}`,
  };
  return entry(head, () => {
    const parts = [
      operation.description ? make("p", {}, sentence(operation.description)) : undefined,
      make("p", { class: "notice" }, ...whoMay(operation)),
    ];
    const parameters = (operation.parameters ?? []).map((parameter) => meant(file, parameter)).map((parameter) => ({
      name: parameter.name, type: `${typed(file, parameter.schema ?? {})}, in the ${parameter.in}`,
      must: parameter.required ?? false, meaning: parameter.description,
    }));
    if (parameters.length > 0) parts.push(make("h4", {}, "Parameters"), table(parameters, "Parameters"));
    const { media, schema, example } = exampleOf(file, operation.requestBody?.content);
    if (media !== undefined) {
      parts.push(make("h4", {}, "Body, ", make("code", {}, media)), table(fields(file, schema), "Fields of the body"));
      if (example !== undefined) parts.push(box(pretty(example), "the example of a body"));
    }
    parts.push(make("h4", {}, "On the command line"), box(curl(file, method, path, operation), "the command"));
    parts.push(make("h4", {}, "Answers"));
    for (const [status, response] of Object.entries(operation.responses ?? {})) {
      const answer = exampleOf(file, response.content);
      const rows = status < "400" && answer.media !== undefined ? table(fields(file, answer.schema), `Fields of ${status}`) : undefined;
      const shown = answer.example === undefined ? undefined : box(pretty(answer.example), `the example of ${status}`);
      const title = [make("code", {}, status), " ", ...sentence(response.description)];
      if (rows === undefined && shown === undefined) parts.push(make("p", {}, ...title));
      else {
        const details = make("details", { class: "answer" }, make("summary", {}, ...title), rows ?? "", shown ?? "");
        details.open = status < "400";
        parts.push(details);
      }
    }
    return parts;
  });
}

function messageParts(file, message, schema, says) {
  const example = message.examples?.[0] ?? {};
  const key = message.bindings?.kafka?.key;
  return [
    says === undefined ? undefined : make("p", {}, sentence(says)),
    key === undefined ? undefined : make("p", { class: "notice" }, "Key: ", sentence(key.description), ", for example ", make("code", {}, key.examples?.[0] ?? "")),
    make("h4", {}, "Fields"), table(fields(file, schema ?? message.payload ?? {}), "Fields"),
    example.headers === undefined ? undefined : make("h4", {}, "Headers"),
    example.headers === undefined ? undefined : table(fields(file, message.headers), "Headers"),
    make("h4", {}, "Example"),
    example.headers === undefined ? undefined : box(Object.entries(example.headers).map(([name, value]) => `${name}: ${value}`).join("\n"), "the headers"),
    example.payload === undefined ? undefined : box(pretty(example.payload), "the example"),
  ];
}

function frameEntry(file, key, message) {
  const schema = meant(file, message.payload);
  const isEvent = schema.properties?.data !== undefined;
  const isSignal = isEvent && schema.properties.id === undefined;
  const mark = isSignal ? "signal" : isEvent ? "event" : "session";
  const name = key === "made-up" ? "a type of your own" : message.name;
  const head = { id: `frame.${key}`, mark, kind: mark, name, says: message.summary, words: "frame stream sse" };
  return entry(head, () => messageParts(file, message, schema));
}

function commandEntry(file, operation, message) {
  const head = { id: `say.${message.name}`, mark: "say", kind: "command", name: message.name, says: message.summary, words: "command websocket" };
  return entry(head, () => {
    const parts = messageParts(file, message);
    const answers = (operation.reply?.messages ?? []).map((answer) => meant(file, answer)).filter((answer) => answer.name !== "error");
    for (const answer of answers) {
      parts.push(make("h4", {}, "It is answered by ", make("code", {}, answer.name)), box(pretty(answer.examples?.[0]?.payload), "the answer"));
    }
    return parts;
  });
}

function topicEntry(file, channel) {
  const messages = Object.values(channel.messages).map((message) => meant(file, message));
  const kafka = channel.bindings.kafka;
  const days = kafka.topicConfiguration["retention.ms"] / 86_400_000;
  const kept = days >= 1 ? `${days} d` : `${kafka.topicConfiguration["retention.ms"] / 1000} s`;
  const head = {
    id: `topic.${channel.title}`, mark: "topic", kind: "topic", name: channel.address, says: messages.map((message) => message.name).join(", "),
    words: `kafka topic ${channel.title} ${messages.map((message) => message.summary).join(" ")}`,
  };
  return entry(head, () => [
    make("p", {}, sentence(channel.description)),
    make("p", { class: "notice" }, `${kafka.partitions} partitions, kept ${kept}.`),
    ...messages.flatMap((message) => [make("h4", {}, make("code", {}, message.name)), ...messageParts(file, message, undefined, message.summary)]),
  ]);
}

/** The kinds of problems, for the addresses that problems name: `/docs#bad_request`. */
function problemEntries(file) {
  return (file.components?.schemas?.Problem?.examples ?? []).map((example) => {
    const head = { id: example.code, mark: String(example.status), kind: "delete", name: example.code, says: example.title, words: "problem error" };
    return entry(head, () => [box(pretty(example), "the example")]);
  });
}

function section(main, contents, { id, title, lead }, entries) {
  if (entries.length === 0) return;
  const part = make("section", { id, "aria-labelledby": `${id}.title` }, make("h2", { id: `${id}.title` }, title), lead ? make("p", { class: "lead notice" }, sentence(lead)) : "", ...entries);
  main.append(part);
  contents.append(make("li", {}, make("a", { href: `#${id}` }, title)));
}

function show(http, spoken) {
  const main = document.getElementById("main");
  const contents = document.getElementById("contents");
  document.getElementById("version").textContent = http.info.version;
  main.append(make("p", { class: "lead" }, "What this server takes over HTTP, what it shows on streams, and what lies on topics. The files: ",
    make("a", { href: "api/v1/openapi.json" }, "OpenAPI"), ", ", make("a", { href: "api/v1/asyncapi.json" }, "AsyncAPI"), "."));
  const list = (title) => {
    const items = make("ul");
    contents.append(make("p", {}, title), items);
    return items;
  };
  const tags = new Map();
  for (const [path, methods] of Object.entries(http.paths)) {
    for (const method of METHODS.filter((method) => methods[method] !== undefined)) {
      const tag = methods[method].tags?.[0] ?? "other";
      tags.set(tag, [...(tags.get(tag) ?? []), operationEntry(http, method, path, methods[method])]);
    }
  }
  const described = new Map((http.tags ?? []).map((tag) => [tag.name, tag.description]));
  const order = [...described.keys(), ...[...tags.keys()].filter((tag) => !described.has(tag)).sort()];
  const operations = list("HTTP");
  for (const tag of order) section(main, operations, { id: `tag.${tag}`, title: tag, lead: described.get(tag) }, tags.get(tag) ?? []);

  const streams = list("Streams");
  const frames = Object.entries(spoken.channels.stream?.messages ?? {}).map(([key, message]) => frameEntry(spoken, key, meant(spoken, message)));
  section(main, streams, { id: "frames", title: "Frames", lead: `\`GET /api/v1/stream\`: ${spoken.channels.stream.description} Over a WebSocket the same frames come wrapped: \`{"type":"event","cursor":…,"event":…}\`.` }, frames);
  const commands = Object.entries(spoken.operations).filter(([name]) => name.startsWith("say."))
    .map(([, operation]) => commandEntry(spoken, operation, meant(spoken, meant(spoken, operation.messages[0]))));
  section(main, streams, { id: "commands", title: "Commands", lead: `\`GET /api/v1/ws\`: ${spoken.channels.ws.description}` }, commands);
  const topics = Object.values(spoken.channels).filter((channel) => channel.bindings?.kafka !== undefined).map((channel) => topicEntry(spoken, channel));
  section(main, list("Topics"), { id: "topics", title: "Topics", lead: "Records are JSON with the headers of CloudEvents. Another program may write what is documented; its record needs no headers." }, topics);
  section(main, list("More"), { id: "problems", title: "Problems", lead: "What is refused is answered as RFC 9457 has it; `code` is for programs." }, problemEntries(http));
}

/** Shows what has all words of the search, and says how many that are. */
function search(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const part of document.querySelectorAll("main section")) {
    let any = false;
    for (const details of part.querySelectorAll("details.entry")) {
      const fits = words.every((word) => details.dataset.words.includes(word));
      details.hidden = !fits;
      any ||= fits;
      found += fits ? 1 : 0;
    }
    part.hidden = !any;
  }
  document.getElementById("found").textContent = words.length === 0 ? "" : found === 1 ? "1 found" : `${found} found`;
}

/** Opens what the address names, or its first match. */
function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target === null) return;
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.querySelector("summary").focus({ preventScroll: true });
  }
  target.scrollIntoView();
}

const base = new URL(".", document.baseURI);
const state = document.getElementById("state");
try {
  const files = await Promise.all(REFERENCES.map(async (path) => {
    const answer = await fetch(new URL(path, base));
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.json();
  }));
  state.remove();
  show(...files);
  const input = document.getElementById("search");
  input.addEventListener("input", () => search(input.value));
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof HTMLInputElement;
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      input.focus();
    }
    if (event.key === "Escape" && event.target === input) {
      input.value = "";
      search("");
    }
  });
  for (const details of document.querySelectorAll("details.entry")) {
    details.addEventListener("toggle", () => {
      if (details.open && location.hash !== `#${details.id}`) history.replaceState(null, "", `#${details.id}`);
    });
  }
  addEventListener("hashchange", open);
  open();
} catch (cause) {
  state.textContent = `The reference could not be read: ${cause.message}. Load the page again in a moment.`;
}
