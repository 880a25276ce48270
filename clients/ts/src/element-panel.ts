// The panel under the bell: the list of the inbox, and a word for each state in which there is none.

import { button, icon, make } from "./element-dom.js";
import { Row, type RowContext, type RowHost } from "./element-row.js";
import type { Strings } from "./element-strings.js";
import type { InboxState } from "./inbox-state.js";

/** What a panel does when somebody does something with it. */
export interface PanelHost extends RowHost {
  closed(): void;
  /** The preferences are to be shown, or no longer. */
  preferring(shown: boolean): void;
  readAll(): void;
  more(): void;
  retry(): void;
}

/** What a panel shows. */
export interface Shown extends RowContext {
  state: InboxState;
  /** Something is wrong with what is shown, beside the list: it may be old, or nobody is let in. */
  notice: "stale" | "refused" | undefined;
  /** Whether the preferences are shown, rather than the list. */
  preferring: boolean;
}

/** The panel. */
export class Panel {
  readonly element: HTMLElement;
  readonly #host: PanelHost;
  readonly #heading = make("h2", { part: "heading", attributes: { id: "heading" } });
  readonly #readAll: HTMLButtonElement;
  readonly #preferences: HTMLButtonElement;
  readonly #close: HTMLButtonElement;
  readonly #form: HTMLElement;
  readonly #inside: readonly HTMLElement[];
  readonly #noticeText = make("span");
  readonly #noticeRetry: HTMLButtonElement;
  readonly #notice: HTMLElement;
  readonly #loading: HTMLElement;
  readonly #loadingText = make("span", { attributes: { class: "spoken" } });
  readonly #empty: HTMLElement;
  readonly #emptyText = make("slot", { attributes: { name: "empty" } });
  readonly #failed: HTMLElement;
  readonly #failedText = make("div");
  readonly #failedRetry: HTMLButtonElement;
  readonly #list: HTMLUListElement;
  readonly #more: HTMLButtonElement;
  readonly #rows = new Map<string, Row>();
  #reachable: string | undefined;

  constructor(host: PanelHost, form: HTMLElement) {
    this.#host = host;
    this.#form = form;
    const retry = () => host.retry();
    this.#readAll = button({ part: "read-all", click: () => host.readAll() });
    const preferring = () => host.preferring(this.#form.hidden);
    this.#preferences = button({ part: "show-preferences", click: preferring, children: [icon("sliders")] });
    this.#close = button({ part: "close", click: () => host.closed(), children: [icon("cross")] });
    this.#noticeRetry = button({ part: "retry", click: retry });
    this.#notice = make("p", { part: "notice", attributes: { role: "status" }, children: [this.#noticeText, this.#noticeRetry] });
    const bars = [make("i"), make("i"), make("i"), make("i")];
    this.#loading = make("div", { part: "skeleton", attributes: { role: "status" }, children: [this.#loadingText, ...bars] });
    this.#empty = make("div", { part: "message empty", children: [icon("bell"), this.#emptyText] });
    this.#failedRetry = button({ part: "retry", click: retry });
    const failed = make("div", { attributes: { role: "alert" }, part: "failed", children: [this.#failedText] });
    this.#failed = make("div", { part: "message", children: [failed, this.#failedRetry] });
    this.#list = make("ul", { part: "list", attributes: { "aria-labelledby": "heading" } });
    this.#list.addEventListener("keydown", (event) => this.#key(event));
    this.#list.addEventListener("focusin", (event) => this.#focused(event.target));
    this.#more = button({ part: "more", click: () => host.more() });
    const header = make("div", { part: "header", children: [this.#heading, this.#readAll, this.#preferences, this.#close] });
    this.#inside = [this.#loading, this.#empty, this.#failed, this.#list, this.#more];
    const body = make("div", { part: "body", children: [this.#form, ...this.#inside] });
    const attributes = { id: "panel", role: "dialog", "aria-labelledby": "heading", tabindex: "-1", popover: "manual" };
    this.element = make("div", { part: "panel", attributes, children: [header, this.#notice, body] });
  }

  /** Shows what there is now. */
  show(shown: Shown): void {
    const { state, strings, notice } = shown;
    this.#say(strings);
    const { items, status } = state;
    this.#heading.textContent = shown.preferring ? strings.preferences : strings.label;
    this.#preferences.setAttribute("aria-pressed", String(shown.preferring));
    this.#preferences.hidden = notice === "refused";
    this.#form.hidden = !shown.preferring;
    this.#readAll.hidden = state.unread === 0 || shown.preferring;
    this.#notice.hidden = notice === undefined;
    this.#noticeText.textContent = notice === undefined ? "" : strings[notice];
    this.#noticeRetry.hidden = notice !== "refused";
    this.#loading.hidden = status !== "loading" || notice === "refused";
    this.#failed.hidden = status !== "failed" || notice === "refused";
    this.#empty.hidden = status !== "loaded" || items.length > 0;
    this.#list.hidden = items.length === 0;
    this.#more.hidden = state.next === null;
    if (shown.preferring) for (const part of this.#inside) part.hidden = true;
    this.#arrange(shown);
  }

  /** Puts the focus on the list, or on the panel where there is no list. */
  focus(): void {
    const row = this.#reachable === undefined ? undefined : this.#rows.get(this.#reachable);
    (row?.main ?? this.element).focus({ preventScroll: row === undefined });
  }

  #say(strings: Strings): void {
    this.#preferences.setAttribute("aria-label", strings.preferences);
    this.#readAll.textContent = strings.readAll;
    this.#close.setAttribute("aria-label", strings.close);
    this.#loadingText.textContent = strings.loading;
    this.#emptyText.textContent = strings.empty;
    this.#failedText.textContent = strings.failed;
    this.#failedRetry.textContent = strings.retry;
    this.#noticeRetry.textContent = strings.retry;
    this.#more.textContent = strings.more;
  }

  /** Puts the rows in order: those that stay are moved only where they must be, so that the focus stays. */
  #arrange({ state: { items }, ...context }: Shown): void {
    const staying = new Set(items.map(({ id }) => id));
    for (const [id, row] of this.#rows) {
      if (staying.has(id)) continue;
      if (row.element.matches(":focus-within")) this.#leave(row);
      row.element.remove();
      this.#rows.delete(id);
    }
    let before: Element | null = null;
    for (const item of items) {
      const row = this.#rows.get(item.id) ?? new Row(item, this.#host);
      this.#rows.set(item.id, row);
      row.update(item, context);
      const next: Element | null = before === null ? this.#list.firstElementChild : before.nextElementSibling;
      if (next !== row.element) this.#list.insertBefore(row.element, next);
      before = row.element;
    }
    if (this.#reachable === undefined || !staying.has(this.#reachable)) this.#reach(items[0]?.id);
  }

  /** The row with the focus goes: the next takes it, or the one before. */
  #leave(row: Row): void {
    const rows = this.#ordered();
    const at = rows.indexOf(row);
    const heir = rows[at + 1] ?? rows[at - 1];
    if (heir) this.#move(heir);
    else this.element.focus();
  }

  #ordered(): Row[] {
    const byElement = new Map([...this.#rows.values()].map((row) => [row.element as Element, row]));
    return [...this.#list.children].flatMap((child) => byElement.get(child) ?? []);
  }

  #reach(id: string | undefined): void {
    for (const [other, row] of this.#rows) row.reachable = other === id;
    this.#reachable = id;
  }

  #move(row: Row): void {
    this.#reach(row.item.id);
    row.main.focus();
  }

  #focused(target: EventTarget | null): void {
    const row = this.#ordered().find(({ element }) => target instanceof Node && element.contains(target));
    if (row && row.item.id !== this.#reachable) this.#reach(row.item.id);
  }

  #key(event: KeyboardEvent): void {
    const rows = this.#ordered();
    const at = rows.findIndex(({ element }) => element.matches(":focus-within"));
    const goals: Record<string, Row | undefined> = {
      ArrowDown: rows[at + 1],
      ArrowUp: rows[at - 1],
      Home: rows[0],
      End: rows.at(-1),
    };
    const row = rows[at];
    if (event.key === "Delete" && row) this.#host.removed(row.item);
    else if (event.key in goals) {
      const goal = goals[event.key];
      if (goal) this.#move(goal);
    } else return;
    event.preventDefault();
  }
}
