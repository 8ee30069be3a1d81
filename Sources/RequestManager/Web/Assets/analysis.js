// How the lines of a query are spread over time, and what patterns they have.
import { tellOf } from "./notice.js";
import { say } from "./words.js";

const [bars, range] = ["[data-bars]", "[data-range]"].map((name) => document.querySelector(name));
const patterns = document.querySelector("[data-patterns]");
const levels = { error: ["error", "critical"], warning: ["warning"], info: ["trace", "debug", "info", "notice", "unknown"] };
/// Of so many of the last lines, so that long topics answer at once.
const analysed = 20_000;
/// How long an analysis counts while lines go on coming: in milliseconds, and in how long it took.
const lifetime = 5_000;
const restfulness = 10;
const svg = "http://www.w3.org/2000/svg";

export class Analysis {
  #query = null;
  #asking = null;
  #timer = null;
  #isOutdated = false;
  /// How long the last one took, in milliseconds.
  #span = 0;
  #shown = null;
  #start = null;
  #choose;

  /** choose: called with a stretch of time that was drawn over the bars. */
  constructor(choose) {
    this.#choose = choose;
    bars.addEventListener("pointerdown", (event) => this.#begin(event));
    bars.addEventListener("pointermove", (event) => this.#move(event));
    bars.addEventListener("pointerup", (event) => this.#finish(event));
    bars.addEventListener("pointercancel", () => this.#letGo());
  }

  /** Another query, of which the answers of those before do not count any more. */
  show(query) {
    this.#query = new URLSearchParams(query);
    this.#query.set("buckets", "120");
    this.#query.set("patterns", "20");
    if (!query.get("since")) this.#query.set("tail", String(analysed));
    this.#asking?.abort();
    this.#asking = null;
    this.#ask();
  }

  /** More lines have come. */
  outdate() {
    this.#isOutdated = true;
    if (!this.#asking) this.#timer ??= setTimeout(() => this.#ask(), Math.max(lifetime, restfulness * this.#span));
  }

  async #ask() {
    clearTimeout(this.#timer);
    this.#timer = null;
    // Nobody looks, or somebody draws over the bars.
    if (document.hidden || this.#start !== null) return this.outdate();
    const asking = new AbortController();
    this.#asking = asking;
    this.#isOutdated = false;
    const start = performance.now();
    try {
      const response = await fetch(`/v1/logs/analysis?${this.#query}`, { signal: asking.signal });
      const answer = await response.json();
      if (!response.ok) throw new Error(answer.message);
      // Bars that somebody draws over stay.
      if (this.#start === null) this.#draw(answer);
      list(answer.patterns);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.#draw({ buckets: [] });
      patterns.hidden = true;
      tellOf(error);
    }
    if (this.#asking !== asking) return;
    this.#asking = null;
    this.#span = performance.now() - start;
    if (this.#isOutdated) this.outdate();
  }

  #draw({ buckets }) {
    this.#shown = null;
    if (buckets.length === 0) {
      bars.replaceChildren();
      range.textContent = range.dataset.empty;
      return;
    }
    const sums = buckets.map((bucket) => Object.values(bucket.levels).reduce((sum, value) => sum + value, 0));
    const most = Math.max(...sums);
    const drawing = document.createElementNS(svg, "svg");
    drawing.setAttribute("viewBox", `0 0 ${buckets.length} 100`);
    drawing.setAttribute("preserveAspectRatio", "none");
    drawing.setAttribute("role", "img");
    drawing.setAttribute("aria-label", say("bars", sums.reduce((sum, value) => sum + value, 0), most));
    buckets.forEach((bucket, index) => {
      let top = 100;
      for (const [name, members] of Object.entries(levels)) {
        const height = members.reduce((sum, level) => sum + (bucket.levels[level] ?? 0), 0) / most * 100;
        if (height === 0) continue;
        top -= height;
        const bar = document.createElementNS(svg, "rect");
        const place = { x: index, y: top, width: 0.9, height };
        for (const [key, value] of Object.entries(place)) bar.setAttribute(key, value);
        bar.setAttribute("class", name);
        drawing.append(bar);
      }
    });
    bars.replaceChildren(drawing);
    const [from, last] = [Date.parse(buckets[0].at), Date.parse(buckets.at(-1).at)];
    const step = buckets.length > 1 ? (last - from) / (buckets.length - 1) : 1000;
    this.#shown = { drawing, from, step, count: buckets.length };
    range.textContent = `${this.#time(0)} to ${this.#time(buckets.length)}`;
  }

  /** When a step begins, as the fields of the form have it. */
  #time(step) { return new Date(this.#shown.from + step * this.#shown.step).toISOString(); }

  // Drawing over the bars

  #part(event) {
    const { left, width } = bars.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - left) / width)) * this.#shown.count;
  }

  #begin(event) {
    if (!this.#shown) return;
    bars.setPointerCapture(event.pointerId);
    this.#start = this.#part(event);
    const brush = document.createElementNS(svg, "rect");
    brush.setAttribute("class", "brush");
    brush.setAttribute("y", 0);
    brush.setAttribute("height", 100);
    this.#shown.drawing.append(brush);
  }

  #move(event) {
    if (this.#start === null) return;
    const [from, until] = this.#stretch(event);
    const brush = this.#shown.drawing.querySelector(".brush");
    brush.setAttribute("x", from);
    brush.setAttribute("width", until - from);
  }

  #finish(event) {
    if (this.#start === null) return;
    const [from, until] = this.#stretch(event);
    this.#letGo();
    if (until - from >= 0.5) this.#choose(this.#time(Math.floor(from)), this.#time(Math.ceil(until)));
  }

  #stretch(event) { return [this.#start, this.#part(event)].sort((one, other) => one - other); }

  #letGo() {
    this.#start = null;
    this.#shown?.drawing.querySelector(".brush")?.remove();
  }
}

function list(all) {
  patterns.hidden = all.length === 0;
  const body = patterns.querySelector("tbody");
  body.replaceChildren(...all.map((pattern) => {
    const row = document.createElement("tr");
    const cells = [pattern.count, pattern.level, pattern.template].map((value) => {
      const cell = document.createElement("td");
      cell.textContent = value;
      return cell;
    });
    cells[0].className = "number";
    cells[2].title = pattern.sample;
    if (pattern.is_new) {
      const mark = document.createElement("span");
      mark.className = "tag bad";
      mark.textContent = body.dataset.new;
      cells[2].append(" ", mark);
    }
    row.append(...cells);
    return row;
  }));
}
