// A list of log lines of which only those are drawn that can be seen. It holds so many lines at most, and the oldest go.
import { requestToken } from "./forms.js";

const rowHeight = 20;
const mostLines = 50_000;
/// Lines are as long as they are; what is drawn of one is bounded.
const longestDrawn = 2_000;

class LineList {
  constructor(box, detail) {
    this.box = box;
    this.detail = detail;
    this.lines = [];
    this.first = 0;
    this.isFollowing = true;
    this.isPaused = false;
    this.space = document.createElement("div");
    this.space.className = "space";
    box.replaceChildren(this.space);
    this.rows = new Map();
    box.addEventListener("scroll", () => {
      const rest = this.space.offsetHeight - box.scrollTop - box.clientHeight;
      this.isFollowing = rest < rowHeight * 2;
      this.draw();
    });
    box.addEventListener("click", (event) => this.choose(event.target.closest(".line")));
  }

  /** Adds lines as JSON texts, which are only read when they are drawn. */
  add(lines) {
    for (const line of lines) this.lines.push(line);
    const extra = this.lines.length - mostLines;
    // In large steps, as each moves all that stay.
    if (extra > mostLines / 10) {
      this.lines.splice(0, extra);
      this.first += extra;
      if (!this.isFollowing) this.box.scrollTop -= extra * rowHeight;
    }
    this.refresh();
  }

  clear() {
    this.lines = [];
    this.first = 0;
    this.refresh();
  }

  get total() { return this.first + this.lines.length; }

  refresh() {
    if (this.waiting || this.isPaused) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.space.style.height = `${Math.max(1, this.lines.length) * rowHeight}px`;
      if (this.isFollowing) this.box.scrollTop = this.lines.length * rowHeight;
      this.draw();
    });
  }

  draw() {
    const from = Math.max(0, Math.floor(this.box.scrollTop / rowHeight) - 5);
    const until = Math.min(this.lines.length, from + Math.ceil(this.box.clientHeight / rowHeight) + 10);
    for (const [number, row] of this.rows) {
      if (number >= this.first + from && number < this.first + until) continue;
      row.remove();
      this.rows.delete(number);
    }
    for (let index = from; index < until; index += 1) {
      const number = this.first + index;
      let row = this.rows.get(number);
      if (!row) {
        row = this.make(JSON.parse(this.lines[index]));
        row.dataset.number = number;
        this.rows.set(number, row);
        this.space.append(row);
      }
      row.style.top = `${index * rowHeight}px`;
    }
    if (this.lines.length === 0) {
      this.rows.clear();
      const empty = document.createElement("p");
      empty.className = "line";
      empty.textContent = this.box.dataset.empty;
      this.space.replaceChildren(empty);
    } else if (this.space.firstChild && !this.space.firstChild.dataset.number) {
      this.space.firstChild.remove();
    }
  }

  make(line) {
    const row = document.createElement("div");
    row.className = `line ${line.kind ? "happened" : line.level}`;
    const at = document.createElement("time");
    at.textContent = line.at.slice(11, 23);
    const from = document.createElement("span");
    from.className = "from";
    from.textContent = line.kind ?? line.instance;
    row.append(at, " ", from, ` ${(line.line ?? line.message).slice(0, longestDrawn)}`);
    return row;
  }

  choose(row) {
    if (!this.detail || !row?.dataset.number) return;
    this.space.querySelector(".chosen")?.classList.remove("chosen");
    row.classList.add("chosen");
    const line = JSON.parse(this.lines[Number(row.dataset.number) - this.first]);
    this.detail.hidden = false;
    this.detail.textContent = `${line.at}  ${line.instance}  ${line.stream}  ${line.level}  ${line.seq}\n${line.line}`;
  }
}

/** Reads server-sent events as they come, and gives what they carry by batches, with where to go on behind them. EventSource
 * would wake for each line. */
async function read(path, signal, take) {
  const response = await fetch(path, { signal, headers: { "Request-Token": requestToken() } });
  if (!response.ok) throw new Error((await response.json()).message);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    const lines = [];
    let place = null;
    for (const block of blocks) {
      const data = block.slice(block.indexOf("data: ") + 6);
      if (block.startsWith("event: line\n")) {
        lines.push(data);
      } else if (block.startsWith("id: ")) {
        lines.push(data);
        place = block.slice(4, block.indexOf("\n"));
      } else if (block.startsWith("event: position\n")) {
        place = data;
      } else if (block.startsWith("event: error\n")) {
        throw new Error(JSON.parse(data).message);
      }
    }
    take(lines, place);
  }
}

/** Follows a query in a box, for as long as it is there. */
export function followLines(box, query, { detail, onCount, events } = {}) {
  const list = new LineList(box, detail);
  const stopper = new AbortController();
  async function run(path, isLog) {
    let position = null;
    let pause = 500;
    while (!stopper.signal.aborted) {
      try {
        await read(path(position), stopper.signal, (lines, place) => {
          pause = 500;
          if (place) position = place;
          if (lines.length) {
            list.add(lines);
            onCount?.(list.total, list.lines.length);
          }
        });
        if (isLog && !query.includes("follow=true")) return;
      } catch (error) {
        if (error.name === "AbortError") return;
        onCount?.(list.total, list.lines.length, error.message);
      }
      await new Promise((resolve) => { setTimeout(resolve, pause); });
      pause = Math.min(pause * 2, 5_000);
    }
  }
  run((position) => `/v1/logs?${query}${position ? `&position=${encodeURIComponent(position)}` : ""}`, true);
  const happened = `/v1/events?follow=true&module=${encodeURIComponent(events)}`;
  if (events) run((position) => `${happened}&${position ? `after=${position}` : "limit=20"}`, false);
  list.refresh();
  return { list, stop: () => stopper.abort() };
}

/** Lets a button hold the list still while lines go on being taken. */
export function pauseWith(button, list) {
  button.addEventListener("click", () => {
    list.isPaused = !list.isPaused;
    button.setAttribute("aria-pressed", list.isPaused);
    if (!list.isPaused) list.refresh();
  });
}

export function showLines() {
  for (const box of document.querySelectorAll("[data-lines]")) {
    const section = box.closest("section");
    const count = section.querySelector("[data-lines-count]");
    const tail = box.dataset.lines.includes("since=") ? "" : "&tail=200";
    // What has an end is read once.
    const follow = box.dataset.lines.includes("until=") ? "" : "&follow=true";
    const { list } = followLines(box, `${box.dataset.lines}${follow}${tail}`, {
      events: box.dataset.events,
      onCount: (total, held, trouble) => { count.textContent = trouble ?? `${total}`; },
    });
    pauseWith(section.querySelector("[data-lines-pause]"), list);
  }
}
