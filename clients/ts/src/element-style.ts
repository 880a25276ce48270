// How `<tidings-inbox>` looks: custom properties decide, and each part can be styled from outside.

const CSS = `
:host {
  --accent: var(--tidings-accent, light-dark(#2253c9, #93b4ff));
  --surface: var(--tidings-surface, light-dark(#ffffff, #1c1e24));
  --raised: var(--tidings-raised, light-dark(#f3f5f9, #272a32));
  --text: var(--tidings-text, light-dark(#191c22, #eceef3));
  --muted: var(--tidings-muted, light-dark(#5a6170, #a9b0be));
  --line: var(--tidings-line, light-dark(#dfe3ea, #363a45));
  --badge: var(--tidings-badge, #c4203b);
  --badge-text: var(--tidings-badge-text, #ffffff);
  --alert: var(--tidings-alert, light-dark(#b3261e, #ffb4ab));
  --radius: var(--tidings-radius, 12px);
  --width: var(--tidings-width, 24rem);
  --shadow: var(--tidings-shadow, 0 12px 32px rgb(0 0 0 / 22%), 0 2px 6px rgb(0 0 0 / 12%));
  display: inline-block;
  font: var(--tidings-font, inherit);
}
:host([hidden]) { display: none; }
:host([theme="light"]) { color-scheme: light; }
:host([theme="dark"]) { color-scheme: dark; }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
button, a { font: inherit; color: inherit; }
button { background: none; border: 0; padding: 0; cursor: pointer; }
svg {
  display: block; width: 1.5rem; height: 1.5rem; fill: none; stroke: currentColor;
  stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round;
}
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.spoken {
  position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap;
}

[part~="bell"] {
  position: relative; display: inline-grid; place-items: center; width: 2.75rem; height: 2.75rem;
  border-radius: 50%;
}
[part~="bell"]:hover { background: color-mix(in srgb, currentColor 10%, transparent); }
[part~="badge"] {
  position: absolute; inset-block-start: 0.125rem; inset-inline-start: 55%;
  min-width: 1.25rem; height: 1.25rem; padding-inline: 0.3rem; border-radius: 0.625rem;
  background: var(--badge); color: var(--badge-text);
  font-size: 0.75rem; line-height: 1.25rem; font-weight: 600; text-align: center;
  font-variant-numeric: tabular-nums;
}

[part~="panel"] {
  position: fixed; inset: auto; inset-block-start: var(--at-top, 3.5rem); left: var(--at-left, 0.5rem);
  z-index: 2147483000; margin: 0; padding: 0; overflow: hidden;
  width: min(var(--width), calc(100vw - 1rem)); height: auto; max-height: var(--room, 80vh);
  flex-direction: column;
  border: 1px solid var(--line); border-radius: var(--radius);
  background: var(--surface); color: var(--text); box-shadow: var(--shadow);
  font-size: 0.9375rem; line-height: 1.45; text-align: start;
}
[part~="panel"][data-open] { display: flex; }
[part~="panel"]:not([data-open]) { display: none; }
[part~="panel"]:focus { outline: none; }
[part~="header"] {
  display: flex; align-items: center; gap: 0.5rem; padding: 0.75rem 0.5rem 0.75rem 1rem;
  border-block-end: 1px solid var(--line);
}
[part~="heading"] { flex: 1; margin: 0; font-size: 1.0625rem; font-weight: 650; }
[part~="read-all"] { padding: 0.375rem 0.5rem; border-radius: 0.5rem; color: var(--accent); font-size: 0.875rem; }
[part~="header"] button:hover, [part~="remove"]:hover { background: var(--raised); }
[part~="show-preferences"][aria-pressed="true"] { background: var(--raised); color: var(--text); }
[part~="close"], [part~="show-preferences"], [part~="remove"] {
  display: grid; place-items: center; width: 2rem; height: 2rem; border-radius: 0.5rem; color: var(--muted);
}
[part~="header"] svg, [part~="remove"] svg { width: 1.125rem; height: 1.125rem; }

[part~="notice"] {
  display: flex; align-items: center; gap: 0.75rem; margin: 0; padding: 0.5rem 1rem;
  background: var(--raised); border-block-end: 1px solid var(--line); color: var(--text); font-size: 0.875rem;
}
[part~="notice"] span { flex: 1; }
[part~="body"] { overflow-y: auto; overscroll-behavior: contain; min-height: 0; }
[part~="message"] { padding: 2.5rem 1.5rem; text-align: center; color: var(--muted); }
[part~="failed"] { color: var(--alert); }
[part~="message"] svg { width: 2.25rem; height: 2.25rem; margin: 0 auto 0.75rem; opacity: 0.6; }
[part~="retry"], [part~="more"] {
  display: inline-block; padding: 0.375rem 0.875rem; border: 1px solid var(--line); border-radius: 0.5rem;
  color: var(--accent); background: var(--surface); white-space: nowrap;
}
[part~="message"] [part~="retry"] { margin-block-start: 0.875rem; }
[part~="more"] { display: block; margin: 0.75rem auto; }
[part~="retry"]:hover, [part~="more"]:hover { background: var(--raised); }

[part~="list"] { list-style: none; margin: 0; padding: 0; }
[part~="item"] { position: relative; display: flex; align-items: start; }
[part~="item"] + [part~="item"] { border-block-start: 1px solid var(--line); }
[part~="item-main"] {
  flex: 1; min-width: 0; display: block; padding: 0.75rem 0.25rem 0.75rem 1.75rem;
  text-align: start; text-decoration: none;
}
[part~="item-main"]:focus-visible { outline-offset: -3px; border-radius: 0.5rem; }
[part~="item"]:hover { background: color-mix(in srgb, var(--raised) 60%, transparent); }
[part~="item-main"] > span { display: block; overflow-wrap: anywhere; }
[part~="head"] { color: var(--muted); font-size: 0.8125rem; }
[part~="item-title"] { font-weight: 500; }
[part~="unread"] [part~="item-title"] { font-weight: 650; }
[part~="read"] [part~="content"] { color: var(--muted); }
[part~="content"] { white-space: pre-line; max-height: 5.8em; overflow: hidden; }
[part~="item-main"]:not([data-unfolded]) [part~="content"] {
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 4;
}
[part~="item-main"][data-unfolded] [part~="content"] { max-height: none; }
[part~="unread-mark"] {
  position: absolute; inset-block-start: 1.125rem; inset-inline-start: 0.75rem; width: 0.5rem; height: 0.5rem;
  border-radius: 50%; background: var(--accent); color: transparent; overflow: hidden; font-size: 0;
}
[part~="unread-mark"]:empty { display: none; }
[part~="priority"]:not(:empty) { margin-inline-end: 0.5rem; font-weight: 650; color: var(--alert); }
[part~="remove"] { margin: 0.5rem 0.5rem 0 0; opacity: 0; }
[part~="item"]:hover [part~="remove"], [part~="item"]:focus-within [part~="remove"] { opacity: 1; }
@media (hover: none) { [part~="remove"] { opacity: 1; } }

[part~="preferences"] { padding: 0.25rem 1rem 1rem; }
fieldset { margin: 0.75rem 0 0; padding: 0; border: 0; min-width: 0; }
legend { padding: 0; margin-block-end: 0.375rem; font-weight: 650; }
input { font: inherit; accent-color: var(--accent); }
[part~="categories"], [part~="zone"] { color: var(--muted); }
[part~="choice"] { display: flex; align-items: center; gap: 0.5rem; min-height: 2rem; color: var(--text); }
[part~="choice"] label { flex: 1; padding-block: 0.25rem; overflow-wrap: anywhere; }
[part~="choice"] input { width: 1.125rem; height: 1.125rem; margin: 0; flex: none; }
[part~="hours"] { display: flex; flex-wrap: wrap; align-items: center; gap: 0.5rem; padding-inline-start: 1.625rem; }
[part~="hours"] input {
  padding: 0.25rem 0.375rem; border: 1px solid var(--muted); border-radius: 0.375rem;
  background: var(--surface); color: var(--text);
}
[part~="zone"] { flex-basis: 100%; margin: 0; font-size: 0.8125rem; }
[part~="actions"] { display: flex; align-items: center; gap: 0.75rem; margin-block-start: 1.25rem; }
[part~="save"] {
  padding: 0.5rem 1.125rem; border-radius: 0.5rem; background: var(--accent); color: var(--surface); font-weight: 600;
}
[part~="save"]:disabled { opacity: 0.5; cursor: default; }
[part~="said"] { margin: 0; color: var(--muted); }

[part~="skeleton"] { display: grid; gap: 0.5rem; padding: 0.875rem 1.75rem; }
[part~="skeleton"] i {
  height: 0.75rem; border-radius: 0.375rem; background: var(--line); animation: breathe 1.4s ease-in-out infinite;
}
[part~="skeleton"] i:last-child { width: 60%; }
@keyframes breathe { 50% { opacity: 0.45; } }
@media (prefers-reduced-motion: reduce) { [part~="skeleton"] i { animation: none; } }

@media (max-width: 30rem) {
  [part~="panel"] {
    inset: 0; width: 100%; max-width: none; height: 100dvh; max-height: none; border: 0; border-radius: 0;
  }
  [part~="close"], [part~="show-preferences"], [part~="remove"] { width: 2.75rem; height: 2.75rem; }
  [part~="body"] { flex: 1; }
}
@media (forced-colors: active) {
  [part~="unread-mark"] { background: Highlight; forced-color-adjust: none; }
  [part~="badge"] { border: 1px solid; }
}
`;

let sheet: CSSStyleSheet | undefined;

/** The one sheet that all elements adopt: a page's policy may forbid style elements, and this needs none. */
export function style(): CSSStyleSheet {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
  }
  return sheet;
}
