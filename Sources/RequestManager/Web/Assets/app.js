// What every page does: times that tell how long ago, forms without a new page, parts that change while one looks.
import { readTimes } from "./times.js";
import { takeOverForms } from "./forms.js";
import { follow, loadAgain } from "./live.js";

// What only some pages have, and how it begins there.
const extras = [
  ["[data-deploy]", () => import("./deploy.js")],
  ["#rules-form [data-editor]", async (box) => new (await import("./editor.js")).Editor(box)],
  ["[data-lines]", async () => (await import("./lines.js")).showLines()],
  ["[data-logs]", () => import("./logs.js")],
];

readTimes(document);
setInterval(() => readTimes(document), 10_000);
takeOverForms();
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  const words = button.textContent;
  button.textContent = button.dataset.copied;
  setTimeout(() => { button.textContent = words; }, 1500);
});
// A page is live when all of it is there: an agent can go away while it sends one.
try {
  await Promise.all(extras.map(([selector, begin]) => {
    const element = document.querySelector(selector);
    return element && begin(element);
  }));
  follow();
} catch (error) {
  console.error(error);
  loadAgain();
}
