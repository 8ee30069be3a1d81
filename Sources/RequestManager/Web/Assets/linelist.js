// A list of log lines of which only those are drawn that can be seen. It holds so many lines at most, and the oldest go.
import { say } from "./words.js";

const rowHeight = 20;
const mostLines = 50_000;
/// Lines are as long as they are; what is drawn of one is bounded.
const longestDrawn = 2_000;
/// So many of the last lines are put in order when two sources are shown together.
const ordered = 2_000;

export class LineList {
  #box;
  #detail;
  #isMixed;
  #space = document.createElement("div");
  #rows = new Map();
  #lines = [];
  /// The number of the first line that is held.
  #first = 0;
  /// What has come while the list is paused.
  #held = null;
  #dropped = 0;
  #isFollowing = true;
  #isWaiting = false;
  #chosen = null;
  #listening = new AbortController();

  /**
   * box: what scrolls. detail: shows the whole of a line that was chosen. isMixed: whether lines of several sources are to
   * be put in order of their times.
   */
  constructor(box, { detail = null, isMixed = false } = {}) {
    this.#box = box;
    this.#detail = detail;
    this.#isMixed = isMixed;
    this.#space.className = "space";
    box.replaceChildren(this.#space);
    if (detail) detail.hidden = true;
    const { signal } = this.#listening;
    box.addEventListener("scroll", () => {
      this.#isFollowing = this.#space.offsetHeight - box.scrollTop - box.clientHeight < rowHeight * 2;
      this.#draw();
    }, { signal });
    box.addEventListener("click", (event) => {
      const row = event.target.closest(".line");
      if (row?.dataset.number) this.#choose(Number(row.dataset.number));
    }, { signal });
    box.addEventListener("keydown", (event) => this.#steer(event), { signal });
    this.#refresh();
  }

  get total() { return this.#first + this.#lines.length; }
  get size() { return this.#lines.length; }
  /** How many lines have come since it was paused. */
  get waiting() { return this.#held ? this.#held.length + this.#dropped : 0; }
  get isPaused() { return this.#held !== null; }

  /** Adds lines as JSON texts, which are only read when they are drawn. */
  add(lines) {
    const target = this.#held ?? this.#lines;
    for (const line of lines) target.push(line);
    if (this.#held) {
      // Paused for long: what would be gone anyway is.
      const extra = this.#held.length - mostLines * 1.1;
      if (extra > 0) this.#dropped += this.#held.splice(0, this.#held.length - mostLines).length;
      return;
    }
    if (this.#isMixed) this.#order();
    this.#trim();
    this.#refresh();
  }

  pause() { this.#held ??= []; }

  resume() {
    const held = this.#held ?? [];
    this.#held = null;
    if (this.#dropped > 0) {
      this.#first = this.total + this.#dropped;
      this.#lines = [];
      this.#dropped = 0;
    }
    this.add(held);
  }

  /** Leaves the box to another list. */
  end() {
    this.#listening.abort();
  }

  #trim() {
    const extra = this.#lines.length - mostLines;
    // In large steps, as each moves all that stay.
    if (extra <= mostLines / 10) return;
    this.#lines.splice(0, extra);
    this.#first += extra;
    if (this.#isFollowing) return;
    const place = this.#box.scrollTop - extra * rowHeight;
    this.#stretch();
    this.#box.scrollTop = place;
  }

  #order() {
    const from = Math.max(0, this.#lines.length - ordered);
    const tail = this.#lines.slice(from).map((line) => [timeOf(line), line]);
    if (tail.every(([at], index) => index === 0 || tail[index - 1][0] <= at)) return;
    tail.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
    this.#lines.splice(from, tail.length, ...tail.map(([, line]) => line));
    for (const row of this.#rows.values()) row.remove();
    this.#rows.clear();
  }

  #stretch() { this.#space.style.height = `${Math.max(1, this.#lines.length) * rowHeight}px`; }

  #refresh() {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    requestAnimationFrame(() => {
      this.#isWaiting = false;
      if (this.#listening.signal.aborted) return;
      this.#stretch();
      if (this.#isFollowing) this.#box.scrollTop = this.#lines.length * rowHeight;
      this.#draw();
    });
  }

  #draw() {
    const from = Math.max(0, Math.floor(this.#box.scrollTop / rowHeight) - 5);
    const until = Math.min(this.#lines.length, from + Math.ceil(this.#box.clientHeight / rowHeight) + 10);
    for (const [number, row] of this.#rows) {
      if (number >= this.#first + from && number < this.#first + until) continue;
      row.remove();
      this.#rows.delete(number);
    }
    for (let index = from; index < until; index += 1) {
      const number = this.#first + index;
      let row = this.#rows.get(number);
      if (!row) {
        row = drawn(JSON.parse(this.#lines[index]));
        row.dataset.number = number;
        row.classList.toggle("chosen", number === this.#chosen);
        this.#rows.set(number, row);
        this.#space.append(row);
      }
      row.style.top = `${index * rowHeight}px`;
    }
    if (this.#lines.length === 0) {
      this.#rows.clear();
      const empty = document.createElement("p");
      empty.className = "line";
      empty.textContent = this.#box.dataset.empty;
      this.#space.replaceChildren(empty);
    } else if (this.#space.firstChild && !this.#space.firstChild.dataset.number) {
      this.#space.firstChild.remove();
    }
  }

  // Enter chooses the last line that is seen, the arrows go on from there, Escape lets go.
  #steer(event) {
    if (!this.#detail || this.#lines.length === 0) return;
    const seen = Math.floor((this.#box.scrollTop + this.#box.clientHeight) / rowHeight) - 1;
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.key === "Enter") {
      this.#choose(this.#first + Math.min(this.#lines.length - 1, Math.max(0, seen)));
    } else if (event.key === "Escape" && this.#chosen !== null) {
      this.#choose(null);
    } else if (step && this.#chosen !== null) {
      this.#choose(Math.min(this.total - 1, Math.max(this.#first, this.#chosen + step)));
      const top = (this.#chosen - this.#first) * rowHeight;
      const { scrollTop, clientHeight } = this.#box;
      if (top < scrollTop) this.#box.scrollTop = top;
      if (top + rowHeight > scrollTop + clientHeight) this.#box.scrollTop = top + rowHeight - clientHeight;
    } else {
      return;
    }
    event.preventDefault();
  }

  #choose(number) {
    if (!this.#detail) return;
    this.#rows.get(this.#chosen)?.classList.remove("chosen");
    this.#chosen = number;
    const text = number === null ? undefined : this.#lines[number - this.#first];
    this.#detail.hidden = text === undefined;
    if (text === undefined) return;
    this.#rows.get(number)?.classList.add("chosen");
    const line = JSON.parse(text);
    this.#detail.textContent = `${line.at}  ${line.instance}  ${line.stream}  ${line.level}  ${line.seq}\n${line.line}`;
  }
}

/// The order of texts is that of the times they tell.
const timeOf = (text) => /"at":"([^"]*)"/.exec(text)?.[1] ?? "";

/** A line of a log, or an event: one of the stream of events, or a line of their topic. */
function drawn(line) {
  const event = line.topic === "Events" ? JSON.parse(line.line) : line;
  const row = document.createElement("div");
  row.className = `line ${event.kind ? "happened" : line.level}`;
  const at = document.createElement("time");
  at.textContent = line.at.slice(11, 23);
  const from = document.createElement("span");
  from.className = "from";
  from.textContent = event.kind ? `${event.kind} ${event.instance ?? event.module ?? ""}` : line.instance;
  row.append(at, " ", from, ` ${(event.message ?? line.line).slice(0, longestDrawn)}`);
  return row;
}

/** A button that holds a list still, and tells how much has come meanwhile. */
export class PauseButton {
  #button;
  #list = null;

  constructor(button) {
    this.#button = button;
    button.addEventListener("click", () => {
      if (this.#list.isPaused) this.#list.resume();
      else this.#list.pause();
      this.show();
    });
  }

  /** Another list, which goes on. */
  set list(list) {
    this.#list = list;
    this.show();
  }

  show() {
    const { isPaused, waiting } = this.#list;
    this.#button.setAttribute("aria-pressed", isPaused);
    this.#button.textContent = isPaused ? say("go-on", waiting) : say("pause");
  }
}
