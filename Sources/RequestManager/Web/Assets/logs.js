// The page of logs: follows a topic, tells how its lines are spread over time, and what patterns they have.
import { followLines, pauseWith } from "./lines.js";
import { tell } from "./forms.js";

const form = document.querySelector("[data-logs]");
const box = document.querySelector("[data-lines-log]");
const [figure, bars, range] = ["[data-histogram]", "[data-bars]", "[data-range]"].map((name) => document.querySelector(name));
const patterns = document.querySelector("[data-patterns]");
const count = document.querySelector("[data-lines-count]");
const levels = { error: ["error", "critical"], warning: ["warning"], info: ["trace", "debug", "info", "notice", "unknown"] };
/// The histogram and the patterns are of so many of the last lines, so that long topics answer at once.
const analysed = 20_000;
const svg = "http://www.w3.org/2000/svg";
let following = null;

function fields() {
  return [...new FormData(form)].filter(([, value]) => value !== "");
}

function show() {
  const chosen = fields();
  const query = new URLSearchParams(chosen);
  const isOpen = !query.get("until");
  const isNarrow = query.get("since") || query.get("grep") || query.get("level");
  following?.stop();
  following = followLines(box, `${query}${isOpen ? "&follow=true" : ""}${isNarrow ? "" : "&tail=1000"}`, {
    detail: document.querySelector("[data-line-detail]"),
    onCount: (total, held, trouble) => {
      count.textContent = trouble ?? (total > held ? `${total}, the last ${held} are held` : `${total}`);
    },
  });
  document.querySelector("[data-download]").href = `/v1/logs/export?${query}`;
  analyse(query);
}

const pauseButton = document.querySelector("[data-lines-pause]");
pauseWith(pauseButton, new Proxy({}, {
  get: (_, name) => (typeof following.list[name] === "function" ? following.list[name].bind(following.list) : following.list[name]),
  set: (_, name, value) => { following.list[name] = value; return true; },
}));

async function analyse(query) {
  const place = new URLSearchParams(query);
  place.set("buckets", "120");
  place.set("patterns", "20");
  if (!place.get("tail") && !place.get("since")) place.set("tail", String(analysed));
  const response = await fetch(`/v1/logs/analysis?${place}`);
  if (!response.ok) {
    figure.hidden = true;
    patterns.hidden = true;
    return tell((await response.json()).message);
  }
  const analysis = await response.json();
  draw(analysis);
  list(analysis.patterns);
}

// Histogram

let shown = null;

function draw({ buckets }) {
  figure.hidden = buckets.length === 0;
  if (figure.hidden) return;
  const sums = buckets.map((bucket) => Object.values(bucket.levels).reduce((sum, value) => sum + value, 0));
  const most = Math.max(...sums);
  const drawing = document.createElementNS(svg, "svg");
  drawing.setAttribute("viewBox", `0 0 ${buckets.length} 100`);
  drawing.setAttribute("preserveAspectRatio", "none");
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", `${sums.reduce((sum, value) => sum + value, 0)} lines, at most ${most} in a step`);
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
  shown = { drawing, from: Date.parse(buckets[0].at), until: Date.parse(buckets.at(-1).at), count: buckets.length };
  shown.step = shown.count > 1 ? (shown.until - shown.from) / (shown.count - 1) : 1000;
  range.textContent = `${new Date(shown.from).toLocaleString()} to ${new Date(shown.until + shown.step).toLocaleString()}`;
}

let start = null;
const part = (event) => {
  const { left, width } = bars.getBoundingClientRect();
  return Math.min(1, Math.max(0, (event.clientX - left) / width)) * shown.count;
};
bars.addEventListener("pointerdown", (event) => {
  bars.setPointerCapture(event.pointerId);
  start = part(event);
  const brush = document.createElementNS(svg, "rect");
  brush.setAttribute("class", "brush");
  brush.setAttribute("y", 0);
  brush.setAttribute("height", 100);
  shown.drawing.append(brush);
});
bars.addEventListener("pointermove", (event) => {
  if (start === null) return;
  const [from, until] = [start, part(event)].sort((one, other) => one - other);
  const brush = shown.drawing.querySelector(".brush");
  brush.setAttribute("x", from);
  brush.setAttribute("width", until - from);
});
bars.addEventListener("pointerup", (event) => {
  if (start === null) return;
  const [from, until] = [start, part(event)].sort((one, other) => one - other);
  start = null;
  shown.drawing.querySelector(".brush")?.remove();
  if (until - from < 0.5) return;
  form.elements.since.value = new Date(shown.from + Math.floor(from) * shown.step).toISOString();
  form.elements.until.value = new Date(shown.from + Math.ceil(until) * shown.step).toISOString();
  choose();
});

// Patterns

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

// The address says what is shown.

function choose() {
  history.replaceState(null, "", `/Logs?${new URLSearchParams(fields())}`);
  show();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  choose();
});
form.elements.topic.addEventListener("change", choose);
form.elements.level.addEventListener("change", choose);
show();
