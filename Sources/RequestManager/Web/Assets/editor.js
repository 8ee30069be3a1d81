// The deployment form: mistakes of a module file at their lines while one types, the plan in place, bundles uploaded.
import { requestToken, tell } from "./forms.js";

const form = document.querySelector("[data-deploy]");
const editor = form.querySelector("[data-editor]");
const [gutter, text] = [editor.querySelector(".gutter"), editor.querySelector("textarea")];
const list = document.getElementById("deploy-mistakes");

async function post(path, body, headers = {}) {
  return fetch(path, { method: "POST", body, headers: { "Request-Token": requestToken(), ...headers } });
}

// Line numbers and mistakes

function number(wrong = new Set()) {
  gutter.replaceChildren();
  const count = text.value.split("\n").length;
  for (let line = 1; line <= count; line += 1) {
    const mark = document.createElement("span");
    mark.textContent = line;
    if (wrong.has(line)) mark.className = "wrong";
    gutter.append(mark, "\n");
  }
  gutter.scrollTop = text.scrollTop;
}

let checking = null;
let checks = 0;

async function check() {
  const mine = ++checks;
  if (text.value.trim() === "") {
    list.replaceChildren();
    return number();
  }
  const response = await post(editor.dataset.editor, new URLSearchParams({ file: text.value }), { Accept: "application/json" });
  if (!response.ok || mine !== checks) return;
  const mistakes = await response.json();
  number(new Set(mistakes.map((mistake) => mistake.line)));
  list.replaceChildren(...mistakes.map(({ line, message }) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.line = line;
    button.textContent = `Line ${line}`;
    item.append(button, ` ${message}`);
    return item;
  }));
  if (mistakes.length === 0) {
    const item = document.createElement("li");
    item.className = "well";
    item.textContent = list.dataset.well;
    list.append(item);
  }
}

text.addEventListener("input", () => {
  number();
  clearTimeout(checking);
  checking = setTimeout(check, 120);
});
text.addEventListener("scroll", () => { gutter.scrollTop = text.scrollTop; });
// A tab would be a mistake in YAML; two spaces are meant. Escape lets the key move on again.
let tabMoves = false;
text.addEventListener("keydown", (event) => {
  if (event.key === "Escape") tabMoves = true;
  else if (event.key === "Tab" && !tabMoves && !event.shiftKey && !event.ctrlKey && !event.altKey) {
    event.preventDefault();
    text.setRangeText("  ", text.selectionStart, text.selectionEnd, "end");
    text.dispatchEvent(new Event("input"));
  } else if (event.key !== "Shift") tabMoves = false;
});
text.addEventListener("blur", () => { tabMoves = false; });
list.addEventListener("click", (event) => {
  const line = Number(event.target.dataset.line);
  if (!line) return;
  const lines = text.value.split("\n");
  const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
  text.focus();
  text.setSelectionRange(start, start + lines[line - 1].length);
  text.scrollTop = (line - 3) * text.scrollHeight / lines.length;
});
number();
if (text.value) check();

// Plan and deploy, on the same page

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = event.submitter;
  button?.classList.add("busy");
  try {
    const response = await post("/Deployment_Interface", new URLSearchParams(new FormData(form, button)));
    if (response.redirected) return location.assign(response.url);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const plan = page.getElementById("deploy-plan");
    form.querySelectorAll(":scope > [role=alert]").forEach((old) => old.remove());
    if (!plan) return tell(page.querySelector("[role=alert]")?.textContent ?? response.statusText);
    document.getElementById("deploy-plan").replaceWith(plan);
    plan.querySelector("[value=deploy]")?.focus();
    const refusal = page.querySelector("[data-deploy] > [role=alert]");
    if (refusal) plan.before(refusal);
    if (page.querySelector("#deploy-mistakes li")) check();
  } catch (error) {
    tell(error.message);
  } finally {
    button?.classList.remove("busy");
  }
});
// A plan is for what was filled in then, so that there is none any more, and nothing to carry out.
form.addEventListener("input", () => {
  const plan = document.getElementById("deploy-plan");
  plan.querySelector(".plan")?.remove();
  plan.querySelector("[value=deploy]")?.remove();
  plan.querySelector("[value=plan]").className = "primary";
});

// Bundles

const upload = form.querySelector("[data-upload]");
upload.hidden = false;
document.getElementById("deploy-bundle").addEventListener("change", (event) => {
  const file = event.target.files[0];
  if (!file) return;
  const bar = document.getElementById("deploy-progress");
  // fetch() does not tell how far an upload is.
  const request = new XMLHttpRequest();
  request.open("POST", `/Repository/upload?name=${encodeURIComponent(file.name)}`);
  request.setRequestHeader("Request-Token", requestToken());
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.responseType = "json";
  bar.hidden = false;
  request.upload.onprogress = ({ loaded, total }) => { bar.value = loaded / total * 100; };
  request.onloadend = () => {
    bar.hidden = true;
    event.target.value = "";
    if (request.status !== 201) return tell(request.response?.message ?? upload.textContent);
    const { name, version } = request.response;
    const choice = document.getElementById("deploy-module");
    const value = `${name}:${version}`;
    if (![...choice.options].some((option) => option.value === value)) choice.add(new Option(value, value));
    choice.value = value;
    choice.focus();
  };
  request.send(file);
});
