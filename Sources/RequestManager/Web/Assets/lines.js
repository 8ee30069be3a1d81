// Follows log lines into a list, for as long as there are any.
import { requestToken } from "./forms.js";
import { LineList, PauseButton } from "./linelist.js";
import { reason } from "./notice.js";
import { say } from "./words.js";

const shortestPause = 500;
const longestPause = 5_000;

/** What the agent refuses, and will refuse again. */
class Refusal extends Error {}

/**
 * Reads server-sent events as they come, and gives what they carry by batches, with where to go on behind them. EventSource
 * would wake for each line.
 *
 * Returns whether everything that was asked for has come.
 */
async function read(path, signal, take) {
  const response = await fetch(path, { signal, headers: { "Request-Token": requestToken() } });
  if (!response.ok) {
    const { message } = await response.json();
    throw response.status < 500 ? new Refusal(message) : new Error(message);
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return false;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    const lines = [];
    let place = null;
    let isOver = false;
    for (const block of blocks) {
      const data = block.slice(block.indexOf("data: ") + 6);
      if (block.startsWith("event: line\n")) {
        lines.push(data);
      } else if (block.startsWith("id: ")) {
        lines.push(data);
        place = block.slice(4, block.indexOf("\n"));
      } else if (block.startsWith("event: position\n")) {
        place = data;
      } else if (block.startsWith("event: end\n")) {
        isOver = true;
      } else if (block.startsWith("event: error\n")) {
        throw new Error(JSON.parse(data).message);
      }
    }
    take(lines, place);
    if (isOver) return true;
  }
}

/**
 * Follows a query in a box.
 *
 * events: a query of events that are shown between the lines. onChange: called with the list, and with what is wrong where
 * something is.
 */
export function followLines(box, query, { detail, onChange, events } = {}) {
  const list = new LineList(box, { detail, isMixed: Boolean(events) });
  const stopper = new AbortController();
  async function run(path) {
    let position = null;
    let pause = shortestPause;
    for (;;) {
      try {
        const isOver = await read(path(position), stopper.signal, (lines, place) => {
          pause = shortestPause;
          if (place) position = place;
          if (lines.length) list.add(lines);
          onChange(list);
        });
        if (isOver) return;
      } catch (error) {
        if (error.name === "AbortError") return;
        onChange(list, reason(error));
        if (error instanceof Refusal) return;
      }
      await new Promise((resolve) => { setTimeout(resolve, pause); });
      if (stopper.signal.aborted) return;
      pause = Math.min(pause * 2, longestPause);
    }
  }
  run((position) => `/v1/logs?${query}${position ? `&position=${encodeURIComponent(position)}` : ""}`);
  if (events) run((position) => `/v1/events?${events}${position ? `&after=${position}` : ""}`);
  onChange(list);
  return {
    list,
    stop() {
      stopper.abort();
      list.end();
    },
  };
}

/** How many lines there are, in words. */
export function countOf(list) {
  if (list.total > list.size) return say("held", list.total, list.size);
  return say(list.total === 1 ? "one-line" : "many-lines", list.total);
}

/** The logs beside something else. */
export function showLines() {
  for (const box of document.querySelectorAll("[data-lines]")) {
    const section = box.closest("section");
    const count = section.querySelector("[data-lines-count]");
    const button = new PauseButton(section.querySelector("[data-lines-pause]"));
    const tail = box.dataset.lines.includes("since=") ? "" : "&tail=200";
    // What has an end is read once.
    const follow = box.dataset.lines.includes("until=") ? "" : "&follow=true";
    let isFirst = true;
    followLines(box, `${box.dataset.lines}${follow}${tail}`, {
      events: box.dataset.events && `${box.dataset.events}${follow}`,
      onChange: (list, trouble) => {
        if (isFirst) button.list = list;
        isFirst = false;
        button.show();
        count.textContent = trouble ?? countOf(list);
      },
    });
  }
}
