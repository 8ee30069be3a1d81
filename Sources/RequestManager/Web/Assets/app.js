// What every page does: times that tell how long ago, forms without a new page, parts that change while one looks.
import { readTimes } from "./times.js";
import { takeOverForms } from "./forms.js";
import { follow } from "./live.js";

readTimes(document);
setInterval(() => readTimes(document), 10_000);
takeOverForms();
follow();
if (document.querySelector("[data-deploy]")) import("./deploy.js");
const rules = document.querySelector("#rules-form [data-editor]");
if (rules) import("./editor.js").then(({ Editor }) => new Editor(rules));
if (document.querySelector("[data-lines]")) import("./lines.js").then(({ showLines }) => showLines());
if (document.querySelector("[data-logs]")) import("./logs.js");
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  const words = button.textContent;
  button.textContent = button.dataset.copied;
  setTimeout(() => { button.textContent = words; }, 1500);
});
