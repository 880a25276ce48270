// `<tidings-inbox server="…" token-from="…">`: a bell with the number of unread messages, and a panel with their list.
//
// Text that others wrote is only ever set as text; links are opened for a few schemes; nothing needs an exception from
// a strict Content-Security-Policy beyond `connect-src` for the server.

import { button, icon, make } from "./element-dom.js";
import { Panel } from "./element-panel.js";
import { PreferencesForm } from "./element-preferences.js";
import { titleOf } from "./element-row.js";
import { ENGLISH, type Strings } from "./element-strings.js";
import { style } from "./element-style.js";
import { TidingsError } from "./error.js";
import { type Inbox, type Preferences, inbox } from "./inbox.js";
import { EMPTY, type InboxItem, isUnread } from "./inbox-state.js";
import { tokenFrom } from "./token-from.js";
import type { TokenSource } from "./token.js";

export type { Strings } from "./element-strings.js";

/** How long a stream may be away before the panel says so: most come back sooner. */
const STALE_MS = 4000;
/** How often "5 minutes ago" is said anew. */
const AGE_MS = 30_000;
/** How long arrivals are gathered before they are spoken. */
const SPEAK_MS = 500;
/** The largest number on the badge. */
const BADGE_MAX = 99;
/** What is kept free between panel, bell and the window's edge, in pixels. */
const GAP = 8;

// A server that renders pages imports this too, and has no elements.
const Base = globalThis.HTMLElement ?? (class {} as unknown as typeof HTMLElement);

/** What it tells: `addEventListener("tidings-unread", ({ detail }) => …)`. */
export interface TidingsInboxEvents {
  /** The number of unread items changed. */
  "tidings-unread": CustomEvent<number>;
  /** An item came by itself. */
  "tidings-item": CustomEvent<InboxItem>;
  /** An item was activated; `preventDefault()` keeps its link from being opened. */
  "tidings-select": CustomEvent<InboxItem>;
  /** The server does not let this token in. */
  "tidings-refused": CustomEvent<TidingsError>;
}

/** The element. */
export class TidingsInbox extends Base {
  static readonly observedAttributes = ["server", "token-from", "limit"];

  readonly #root: ShadowRoot;
  readonly #bell: HTMLButtonElement;
  readonly #badge = make("span", { part: "badge", attributes: { "aria-hidden": "true" } });
  readonly #spoken = make("div", { attributes: { class: "spoken", "aria-live": "polite" } });
  readonly #form: PreferencesForm;
  readonly #panel: Panel;
  #inbox: Inbox | undefined;
  #token: TokenSource | undefined;
  #strings: Strings = ENGLISH;
  #refused: TidingsError | undefined;
  #awaySince: number | undefined;
  #unread = 0;
  #preferring = false;
  #beginning = false;
  #open: AbortController | undefined;
  #living: ReturnType<typeof setInterval> | undefined;
  #arrived: InboxItem[] = [];
  readonly #offered = new Set<string>();
  #speaking: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.#root = this.attachShadow({ mode: "open" });
    this.#root.adoptedStyleSheets = [style()];
    const picture = make("slot", { attributes: { name: "bell" }, children: [icon("bell")] });
    const attributes = { "aria-haspopup": "dialog", "aria-expanded": "false", "aria-controls": "panel" };
    this.#bell = button({ part: "bell", attributes, children: [picture, this.#badge], click: () => this.toggle() });
    this.#form = new PreferencesForm(
      {
        load: () => this.#asked((inbox) => inbox.preferences()),
        save: (wished) => this.#asked((inbox) => inbox.prefer(wished)),
        categories: () => this.#categories(),
      },
      ENGLISH,
    );
    const host = {
      activated: (item: InboxItem, event: MouseEvent) => this.#activated(item, event),
      removed: (item: InboxItem) => void this.#inbox?.remove(item.id).catch(() => undefined),
      closed: () => this.close(),
      readAll: () => this.#readAll(),
      more: () => void this.#inbox?.more(),
      retry: () => this.#retry(),
      preferring: (shown: boolean) => this.#prefer(shown),
    };
    this.#panel = new Panel(host, this.#form.element);
    this.#root.append(this.#bell, this.#panel.element, this.#spoken);
  }

  /** The token, or who gives one; instead of the attribute `token-from`. */
  get token(): TokenSource | undefined {
    return this.#token;
  }

  set token(token: TokenSource | undefined) {
    this.#token = token;
    this.#begin();
  }

  /** Categories that can be muted, by the names that people know; those of the list, where nothing is said. */
  categories: Readonly<Record<string, string>> | undefined;

  /** What it says. Words that are left out are English. */
  get strings(): Partial<Strings> {
    return this.#strings;
  }

  set strings(strings: Partial<Strings>) {
    this.#strings = { ...ENGLISH, ...strings };
    this.#show();
  }

  /** The inbox behind it, while there is one. */
  get inbox(): Inbox | undefined {
    return this.#inbox;
  }

  /** Whether the panel is open. */
  get opened(): boolean {
    return this.#open !== undefined;
  }

  connectedCallback(): void {
    // A property that was set before the element was known would hide the setter.
    for (const name of ["token", "strings"] as const) this.#upgrade(name);
    this.#living = setInterval(() => this.#show(), AGE_MS);
    this.#begin();
    this.#show();
  }

  disconnectedCallback(): void {
    clearInterval(this.#living);
    clearTimeout(this.#speaking);
    this.close();
    this.#end();
  }

  attributeChangedCallback(_name: string, before: string | null, now: string | null): void {
    if (before !== now) this.#begin();
  }

  override focus(options?: FocusOptions): void {
    this.#bell.focus(options);
  }

  /** Opens the panel. */
  open(): void {
    if (this.#open || !this.isConnected) return;
    const open = (this.#open = new AbortController());
    const { element } = this.#panel;
    element.toggleAttribute("data-open", true);
    element.showPopover?.();
    this.#bell.setAttribute("aria-expanded", "true");
    this.#show();
    this.#place();
    this.#panel.focus();
    this.#offered.clear();
    this.#readShown();
    const outside = (event: globalThis.Event) => {
      if (!event.composedPath().includes(this)) this.#shut();
    };
    const focusLeft = ({ relatedTarget }: FocusEvent) => {
      if (relatedTarget instanceof Node && !this.contains(relatedTarget)) this.#shut();
    };
    const { signal } = open;
    document.addEventListener("pointerdown", outside, { signal });
    this.addEventListener("focusout", focusLeft, { signal });
    this.addEventListener("keydown", (event) => this.#key(event), { signal });
    addEventListener("resize", () => this.#place(), { signal });
    addEventListener("scroll", () => this.#place(), { signal, capture: true, passive: true });
  }

  /** Closes the panel; the focus goes back to the bell. */
  close(): void {
    if (!this.#open) return;
    this.#shut();
    this.#bell.focus();
  }

  /** Opens the panel, or closes it. */
  toggle(): void {
    if (this.#open) this.close();
    else this.open();
  }

  #shut(): void {
    this.#open?.abort();
    this.#open = undefined;
    this.#preferring = false;
    const { element } = this.#panel;
    if (element.matches("[data-open]")) element.hidePopover?.();
    element.toggleAttribute("data-open", false);
    this.#bell.setAttribute("aria-expanded", "false");
  }

  /** Begins anew with what it is told now, once all of it is told. */
  #begin(): void {
    if (this.#beginning || !this.isConnected) return;
    this.#beginning = true;
    queueMicrotask(() => {
      this.#beginning = false;
      this.#end();
      if (this.isConnected) this.#start();
      this.#show();
    });
  }

  #start(): void {
    const server = this.getAttribute("server");
    const from = this.getAttribute("token-from");
    const token = this.#token ?? (from === null ? undefined : tokenFrom(new URL(from, document.baseURI)));
    if (server === null || token === undefined) return;
    const limit = Number(this.getAttribute("limit") ?? 0);
    try {
      this.#inbox = inbox({
        server,
        token,
        ...(limit > 0 ? { limit } : {}),
        onItem: (item) => this.#arrive(item),
        onState: (state, why) => this.#stands(state, why),
      });
    } catch (cause) {
      if (cause instanceof TidingsError) this.#refuse(cause);
      return;
    }
    this.#inbox.subscribe(() => {
      this.#show();
      this.#readShown();
    });
  }

  #end(): void {
    this.#refused = undefined;
    this.#awaySince = undefined;
    void this.#inbox?.close();
    this.#inbox = undefined;
  }

  #stands(state: string, why: TidingsError | undefined): void {
    if (state === "live") this.#awaySince = undefined;
    else this.#awaySince ??= Date.now();
    if (state === "ended" && why) this.#refuse(why);
    this.#show();
    setTimeout(() => this.#show(), STALE_MS);
  }

  #refuse(why: TidingsError): void {
    this.#refused = why;
    this.#tell("tidings-refused", why);
    this.#show();
  }

  #retry(): void {
    if (this.#refused) this.#begin();
    else void this.#inbox?.reload();
  }

  /** With `read-on="open"` what the open panel shows is read; each item is offered to the server once. */
  #readShown(): void {
    if (!this.#open || this.getAttribute("read-on") !== "open") return;
    const shown = (this.#inbox?.state.items ?? []).filter((item) => isUnread(item) && !this.#offered.has(item.id));
    if (shown.length === 0) return;
    const ids = shown.map(({ id }) => id);
    for (const id of ids) this.#offered.add(id);
    void this.#inbox?.read(...ids).catch(() => undefined);
  }

  #readAll(): void {
    void this.#inbox?.readAll().catch(() => undefined);
    this.#panel.focus();
  }

  #prefer(shown: boolean): void {
    this.#preferring = shown;
    this.#show();
    if (shown) void this.#form.open(this.#strings);
  }

  async #asked(ask: (inbox: Inbox) => Promise<Preferences>): Promise<Preferences> {
    if (!this.#inbox) throw new TidingsError("usage", this.#strings.refused, { final: true });
    return await ask(this.#inbox);
  }

  #categories(): ReadonlyMap<string, string> {
    if (this.categories) return new Map(Object.entries(this.categories));
    const met = (this.#inbox?.state.items ?? []).flatMap(({ category }) => (category === null ? [] : [category]));
    return new Map(met.toSorted().map((name) => [name, name]));
  }

  #activated(item: InboxItem, event: MouseEvent): void {
    if (isUnread(item)) void this.#inbox?.read(item.id).catch(() => undefined);
    if (!this.#tell("tidings-select", item)) event.preventDefault();
  }

  #arrive(item: InboxItem): void {
    this.#tell("tidings-item", item);
    this.#arrived.push(item);
    // Many at once are said in one sentence.
    this.#speaking ??= setTimeout(() => {
      const newest = this.#arrived.at(-1);
      if (newest) this.#spoken.textContent = this.#strings.arrived(this.#arrived.length, titleOf(newest, this.#strings));
      this.#arrived = [];
      this.#speaking = undefined;
    }, SPEAK_MS);
  }

  #show(): void {
    if (!this.isConnected) return;
    const state = this.#inbox?.state ?? EMPTY;
    const { unread } = state;
    this.#badge.textContent = unread > BADGE_MAX ? `${BADGE_MAX}+` : String(unread);
    this.#badge.hidden = unread === 0;
    const { label } = this.#strings;
    this.#bell.setAttribute("aria-label", unread === 0 ? label : `${label}, ${this.#strings.unread(unread)}`);
    if (unread !== this.#unread) {
      this.#unread = unread;
      this.#tell("tidings-unread", unread);
    }
    // Nobody sees the rest.
    if (!this.#open) return;
    const now = Date.now();
    const stale = this.#awaySince !== undefined && now - this.#awaySince >= STALE_MS && state.status === "loaded";
    const locale = this.closest<HTMLElement>("[lang]")?.lang || undefined;
    const notice = this.#refused ? "refused" : stale ? "stale" : undefined;
    this.#panel.show({ state, notice, preferring: this.#preferring, strings: this.#strings, locale, now });
  }

  /** Puts the panel under the bell, or above it, where it fits; small windows are filled by the sheet's own rules. */
  #place(): void {
    const { element } = this.#panel;
    const bell = this.#bell.getBoundingClientRect();
    const [width, height] = [document.documentElement.clientWidth, document.documentElement.clientHeight];
    const end = getComputedStyle(this).direction === "rtl" ? bell.left : bell.right - element.offsetWidth;
    const left = Math.max(GAP, Math.min(end, width - element.offsetWidth - GAP));
    const [below, above] = [height - bell.bottom - 2 * GAP, bell.top - 2 * GAP];
    const under = below >= Math.min(element.scrollHeight, height / 2) || below >= above;
    const room = Math.min(under ? below : above, 640);
    element.style.setProperty("--room", `${room}px`);
    const top = under ? bell.bottom + GAP : bell.top - GAP - Math.min(element.offsetHeight, room);
    element.style.setProperty("--at-top", `${top}px`);
    element.style.setProperty("--at-left", `${left}px`);
  }

  #key(event: KeyboardEvent): void {
    if (event.key === "Escape") {
      this.close();
      event.stopPropagation();
    } else if (event.key === "ArrowDown" && event.composedPath()[0] === this.#bell) {
      this.#panel.focus();
      event.preventDefault();
    }
  }

  #tell<Name extends keyof TidingsInboxEvents>(name: Name, detail: TidingsInboxEvents[Name]["detail"]): boolean {
    return this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true, cancelable: true }));
  }

  #upgrade(name: "token" | "strings"): void {
    if (!Object.hasOwn(this, name)) return;
    const value = this[name];
    delete (this as Partial<TidingsInbox>)[name];
    Object.assign(this, { [name]: value });
  }
}

if (globalThis.customElements && !customElements.get("tidings-inbox")) {
  customElements.define("tidings-inbox", TidingsInbox);
}

declare global {
  interface HTMLElementTagNameMap {
    "tidings-inbox": TidingsInbox;
  }
}
