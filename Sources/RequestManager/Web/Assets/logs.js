// The page of logs: follows what was chosen. The address says what that is.
import { Analysis } from "./analysis.js";
import { PauseButton } from "./linelist.js";
import { countOf, followLines } from "./lines.js";
import { say } from "./words.js";

const form = document.querySelector("[data-logs]");
const box = document.querySelector("[data-lines-log]");
const detail = document.querySelector("[data-line-detail]");
const count = document.querySelector("[data-lines-count]");
const download = document.querySelector("[data-download]");
const pauseButton = new PauseButton(document.querySelector("[data-lines-pause]"));
const analysis = new Analysis((since, until) => {
  form.elements.since.value = since;
  form.elements.until.value = until;
  choose();
});
/// So many lines come first where nothing narrows them.
const firstLines = 1_000;
let following = null;

const fields = () => [...new FormData(form)].filter(([, value]) => value !== "");

function show() {
  const chosen = fields();
  const query = new URLSearchParams(chosen);
  const isOpen = !query.get("until");
  const isNarrow = query.get("since") || query.get("grep") || query.get("level");
  following?.stop();
  following = null;
  const { topic, module, instance } = Object.fromEntries(chosen);
  const what = instance ?? module ?? topic;
  box.setAttribute("aria-label", say("lines-of", what));
  download.href = `/v1/logs/export?${query}`;
  download.download = `${what}.jsonl`;
  following = followLines(box, `${query}${isOpen ? "&follow=true" : ""}${isNarrow ? "" : `&tail=${firstLines}`}`, {
    detail,
    onChange: (list, trouble) => {
      if (!following) pauseButton.list = list;
      pauseButton.show();
      count.textContent = trouble ?? countOf(list);
      if (following) analysis.outdate();
    },
  });
  analysis.show(query);
}

function choose() {
  history.replaceState(null, "", `/Logs?${new URLSearchParams(fields())}`);
  show();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  choose();
});
form.elements.topic.addEventListener("change", () => {
  // Another topic has other writers.
  for (const name of ["module", "instance"]) form.elements[name].value = "";
  choose();
});
form.elements.level.addEventListener("change", choose);
if (form.elements.topic.value) show();
