// One item of the list as it stands in the panel.

import { button, icon, make } from "./element-dom.js";
import { safeLink } from "./element-link.js";
import { type Strings, ago } from "./element-strings.js";
import { type InboxItem, isUnread } from "./inbox-state.js";

/** What a row does when somebody does something with it. */
export interface RowHost {
  activated(item: InboxItem, event: MouseEvent): void;
  removed(item: InboxItem): void;
}

/** What all rows of a panel have in common at a moment. */
export interface RowContext {
  strings: Strings;
  locale: string | undefined;
  now: number;
}

/** A row. It is made once for its item, and changed in place, so that the focus stays where it is. */
export class Row {
  readonly element: HTMLLIElement;
  /** What a click or Enter activates. */
  readonly main: HTMLElement;
  readonly #remove: HTMLButtonElement;
  readonly #unread = make("span", { part: "unread-mark" });
  readonly #priority = make("span", { part: "priority" });
  readonly #time = make("time", { part: "time" });
  /** What an item says that has no words of its own. */
  readonly #says = make("span", { part: "content" });
  #item: InboxItem;

  constructor(item: InboxItem, host: RowHost) {
    this.#item = item;
    const href = safeLink(item.action_url, document.baseURI);
    const click = (event: MouseEvent) => {
      if (href === undefined) this.#unfold();
      host.activated(this.#item, event);
    };
    const said = [
      make("span", { part: "head", children: [this.#unread, this.#priority, this.#time] }),
      ...(item.title === null ? [] : [make("span", { part: "item-title", text: item.title })]),
      ...(item.content === null ? [] : [make("span", { part: "content", text: item.content })]),
      ...(item.title === null && item.content === null ? [this.#says] : []),
    ];
    this.main =
      href === undefined
        ? button({ part: "item-main", click, children: said })
        : make("a", { part: "item-main", click, children: said, attributes: { href, rel: "noopener noreferrer" } });
    this.#remove = button({ part: "remove", click: () => host.removed(this.#item), children: [icon("cross")] });
    this.element = make("li", { children: [this.main, this.#remove] });
    this.reachable = false;
  }

  /** The item it shows. */
  get item(): InboxItem {
    return this.#item;
  }

  /** Whether Tab reaches it: one row of the list at a time, the others by arrow keys. */
  set reachable(reachable: boolean) {
    this.main.tabIndex = reachable ? 0 : -1;
    this.#remove.tabIndex = reachable ? 0 : -1;
  }

  update(item: InboxItem, { strings, locale, now }: RowContext): void {
    this.#item = item;
    const unread = isUnread(item);
    this.element.setAttribute("part", ["item", unread ? "unread" : "read", `priority-${item.priority}`].join(" "));
    this.#unread.textContent = unread ? strings.unreadItem : "";
    this.#priority.textContent =
      item.priority === "urgent" ? strings.urgent : item.priority === "high" ? strings.high : "";
    const at = new Date(item.created_at);
    this.#time.textContent = ago(at, now, locale);
    this.#time.dateTime = item.created_at;
    this.#time.title = at.toLocaleString(locale);
    this.#says.textContent = titleOf(item, strings);
    this.#remove.setAttribute("aria-label", strings.remove(titleOf(item, strings)));
  }

  /** Shows the whole of a long text, or its beginning again. */
  #unfold(): void {
    this.main.toggleAttribute("data-unfolded");
  }
}

/** What an item is called in one line. */
export function titleOf(item: InboxItem, strings: Strings): string {
  const otherwise = item.kind === "follow" && item.sender_id !== null ? strings.followed(item.sender_id) : strings.untitled;
  return item.title ?? item.content?.slice(0, 80) ?? otherwise;
}
