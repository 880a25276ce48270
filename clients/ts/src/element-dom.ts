// Elements made by hand: text stays text, and nothing is parsed, so that no message can become markup.

/** What an element is given. */
export interface Given {
  part?: string;
  text?: string;
  /** Called on a click. */
  click?: (event: MouseEvent) => void;
  /** Attributes; absent where `undefined`. */
  attributes?: Record<string, string | undefined>;
  children?: readonly Node[];
}

/** Makes an element. */
export function make<Name extends keyof HTMLElementTagNameMap>(name: Name, given: Given = {}): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  if (given.part !== undefined) element.setAttribute("part", given.part);
  if (given.text !== undefined) element.textContent = given.text;
  for (const [attribute, value] of Object.entries(given.attributes ?? {})) {
    if (value !== undefined) element.setAttribute(attribute, value);
  }
  if (given.click) element.addEventListener("click", given.click as EventListener);
  element.append(...(given.children ?? []));
  return element;
}

/** Makes a button. */
export function button(given: Given): HTMLButtonElement {
  return make("button", { ...given, attributes: { type: "button", ...given.attributes } });
}

const SVG = "http://www.w3.org/2000/svg";
/** The outlines that are drawn here, in a square of 24. */
const OUTLINES = {
  bell: ["M6 9a6 6 0 0 1 12 0c0 5 2 6.5 2 7.5H4C4 15.5 6 14 6 9Z", "M10 20a2.2 2.2 0 0 0 4 0"],
  sliders: ["M4 7h9", "M17 7h3", "M15 5v4", "M4 17h3", "M11 17h9", "M9 15v4"],
  cross: ["M6 6l12 12", "M18 6L6 18"],
} as const;

/** Draws an icon; it says nothing to a screen reader. */
export function icon(name: keyof typeof OUTLINES): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  for (const outline of OUTLINES[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", outline);
    svg.append(path);
  }
  return svg;
}
