// Server-sent events: text that comes in pieces becomes blocks, as the HTML standard reads them.

import { TidingsError } from "./error.js";

/** One block with data. */
export interface Block {
  /** Its `event:`, or `message`. */
  event: string;
  /** Its `data:` lines, joined. */
  data: string;
  /** Its `id:`, where it has one. */
  id: string | undefined;
}

/** The most characters of one block: far above the largest frame, far below what would harm a page. */
const MAX_BLOCK = 4 << 20;

/** Reads one stream. */
export class Parser {
  /** The newest `retry:`, in milliseconds. */
  retryMs: number | undefined;
  #rest = "";
  #begun = false;
  #afterReturn = false;
  #event = "";
  #data: string[] = [];
  #id: string | undefined;
  #size = 0;

  /** The blocks that this piece completes. An unfinished one waits for the rest. */
  push(piece: string): Block[] {
    if (!this.#begun && piece !== "") {
      this.#begun = true;
      if (piece.startsWith("\uFEFF")) piece = piece.slice(1);
    }
    // The second half of a CRLF whose first half ended the piece before.
    if (this.#afterReturn && piece !== "") {
      this.#afterReturn = false;
      if (piece.startsWith("\n")) piece = piece.slice(1);
    }
    const text = this.#rest + piece;
    const blocks: Block[] = [];
    let start = 0;
    for (const end of text.matchAll(/\r\n|\r|\n/g)) {
      this.#line(text.slice(start, end.index), blocks);
      start = end.index + end[0].length;
    }
    this.#afterReturn = start === text.length && text.endsWith("\r");
    this.#rest = text.slice(start);
    if (this.#size + this.#rest.length > MAX_BLOCK) {
      throw new TidingsError("undocumented", `a block is larger than ${MAX_BLOCK} characters`);
    }
    return blocks;
  }

  #line(line: string, blocks: Block[]): void {
    if (line === "") {
      if (this.#data.length > 0) {
        blocks.push({ event: this.#event || "message", data: this.#data.join("\n"), id: this.#id });
      }
      this.#event = "";
      this.#data = [];
      this.#id = undefined;
      this.#size = 0;
      return;
    }
    this.#size += line.length;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "event") this.#event = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
  }
}
