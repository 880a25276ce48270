// What somebody does not want to hear of, and when: the other side of the panel.

import { button, make } from "./element-dom.js";
import type { Strings } from "./element-strings.js";
import { asError } from "./error.js";
import type { Preferences } from "./inbox.js";

/** Who knows the preferences. */
export interface PreferencesHost {
  load(): Promise<Preferences>;
  save(preferences: Preferences): Promise<Preferences>;
  /** Categories that can be muted, with the names that people know them by. */
  categories(): ReadonlyMap<string, string>;
}

/** Quiet hours where somebody begins to choose them. */
const USUAL = { start: "22:00", end: "07:00" };

/** The form. */
export class PreferencesForm {
  readonly element: HTMLFormElement;
  readonly #host: PreferencesHost;
  readonly #mute = make("legend");
  readonly #categories = make("div", { part: "categories" });
  readonly #quiet = make("legend");
  readonly #isQuiet = make("input", { attributes: { type: "checkbox", id: "quiet" } });
  readonly #isQuietText = make("label", { attributes: { for: "quiet" } });
  readonly #start = make("input", { attributes: { type: "time", id: "start", required: "" } });
  readonly #startText = make("label", { attributes: { for: "start" } });
  readonly #end = make("input", { attributes: { type: "time", id: "end", required: "" } });
  readonly #endText = make("label", { attributes: { for: "end" } });
  readonly #hours: HTMLElement;
  readonly #zone = make("p", { part: "zone" });
  readonly #save = button({ part: "save", attributes: { type: "submit" } });
  readonly #said = make("p", { part: "said", attributes: { role: "status" } });
  #strings: Strings;
  #timeZone = "";
  #known: Preferences | undefined;

  constructor(host: PreferencesHost, strings: Strings) {
    this.#host = host;
    this.#strings = strings;
    this.#isQuiet.addEventListener("change", () => this.#show());
    this.#hours = make("div", {
      part: "hours",
      children: [this.#startText, this.#start, this.#endText, this.#end, this.#zone],
    });
    const checked = make("div", { part: "choice", children: [this.#isQuiet, this.#isQuietText] });
    this.element = make("form", {
      part: "preferences",
      children: [
        make("fieldset", { children: [this.#mute, this.#categories] }),
        make("fieldset", { children: [this.#quiet, checked, this.#hours] }),
        make("div", { part: "actions", children: [this.#save, this.#said] }),
      ],
    });
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#keep();
    });
  }

  /** Asks what holds now, and shows it. */
  async open(strings: Strings): Promise<void> {
    this.#strings = strings;
    this.#say();
    this.#save.disabled = true;
    await this.#do(() => this.#host.load(), "");
  }

  async #keep(): Promise<void> {
    const boxes = [...this.#categories.querySelectorAll("input")];
    const quiet = { start: this.#start.value, end: this.#end.value, time_zone: this.#timeZone };
    const wished = {
      muted_categories: boxes.filter(({ checked }) => checked).map(({ value }) => value),
      quiet_hours: this.#isQuiet.checked ? quiet : null,
    };
    this.#save.disabled = true;
    await this.#do(() => this.#host.save(wished), this.#strings.saved);
  }

  /** Shows what an act came to, or why it did not. */
  async #do(act: () => Promise<Preferences>, said: string): Promise<void> {
    this.#said.textContent = "";
    try {
      this.#known = await act();
      this.#fill(this.#known);
      this.#said.textContent = said;
    } catch (cause) {
      this.#said.textContent = asError(cause).message;
    }
    this.#save.disabled = this.#known === undefined;
  }

  #fill({ muted_categories: muted, quiet_hours: quiet }: Preferences): void {
    const names = new Map([...muted.map((name) => [name, name] as const), ...this.#host.categories()]);
    const choices = [...names].map(([value, text], n) => {
      const box = make("input", { attributes: { type: "checkbox", id: `category-${n}`, value } });
      box.checked = muted.includes(value);
      return make("div", { part: "choice", children: [box, make("label", { text, attributes: { for: box.id } })] });
    });
    if (choices.length > 0) this.#categories.replaceChildren(...choices);
    else this.#categories.textContent = this.#strings.noCategories;
    this.#isQuiet.checked = quiet !== null;
    this.#start.value = quiet?.start ?? USUAL.start;
    this.#end.value = quiet?.end ?? USUAL.end;
    this.#timeZone = quiet?.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
    this.#zone.textContent = this.#timeZone;
    this.#show();
  }

  #show(): void {
    this.#hours.hidden = !this.#isQuiet.checked;
    // What is not shown is not asked for either.
    this.#start.disabled = this.#end.disabled = this.#hours.hidden;
  }

  #say(): void {
    const strings = this.#strings;
    this.#mute.textContent = strings.mute;
    this.#quiet.textContent = strings.quietHours;
    this.#isQuietText.textContent = strings.onlyUrgent;
    this.#startText.textContent = strings.from;
    this.#endText.textContent = strings.to;
    this.#save.textContent = strings.save;
  }
}
