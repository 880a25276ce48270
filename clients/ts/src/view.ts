// What is looked at: a state that is loaded, kept up, and watched. Each change of it is another object.

import { type TidingsError, asError } from "./error.js";

/** A state and those who watch it. */
export abstract class View<State> {
  state: State;
  readonly #changed = new Set<(state: State) => void>();
  #loading: Promise<void> | undefined;
  #reloads = false;
  #ended = false;

  constructor(first: State) {
    this.state = first;
  }

  subscribe(changed: (state: State) => void): () => void {
    this.#changed.add(changed);
    return () => this.#changed.delete(changed);
  }

  async reload(): Promise<void> {
    // What is being loaded may be older than the reason to load.
    this.#reloads = true;
    this.#loading ??= this.#load();
    await this.#loading;
  }

  /** Loads it once; what goes wrong is shown. */
  protected abstract load(): Promise<void>;

  /** Whether it is being loaded. */
  protected get isLoading(): boolean {
    return this.#loading !== undefined;
  }

  protected show(state: State): void {
    if (state === this.state) return;
    this.state = state;
    for (const changed of this.#changed) changed(state);
  }

  /** From here on nobody watches it, and nothing more is loaded. */
  protected end(): void {
    this.#ended = true;
    this.#changed.clear();
  }

  async #load(): Promise<void> {
    while (this.#reloads && !this.#ended) {
      this.#reloads = false;
      await this.load();
    }
    this.#loading = undefined;
  }
}

/** A list that comes page by page. */
interface Paged {
  readonly next: string | null;
  readonly error: TidingsError | undefined;
}

/** A list and those who watch it. */
export abstract class PagedView<State extends Paged, Page> extends View<State> {
  #continuing: Promise<void> | undefined;

  async more(): Promise<void> {
    this.#continuing ??= this.#continue().finally(() => (this.#continuing = undefined));
    await this.#continuing;
  }

  /** Asks for a page; the first, where no cursor is given. */
  protected abstract page(cursor?: string): Promise<Page>;

  /** The list with its next page. */
  protected abstract continued(page: Page): State;

  async #continue(): Promise<void> {
    const { next } = this.state;
    if (next === null) return;
    try {
      const page = await this.page(next);
      // The list was loaded anew meanwhile: this page is not the next of it.
      if (this.state.next === next) this.show(this.continued(page));
    } catch (cause) {
      this.show({ ...this.state, error: asError(cause) });
    }
  }
}
