// The deployment form: the plan in place, bundles uploaded.
import { Editor, post } from "./editor.js";
import { requestToken } from "./forms.js";
import { tell, tellOf } from "./notice.js";
import { say } from "./words.js";

const form = document.querySelector("[data-deploy]");
const editor = new Editor(form.querySelector("[data-editor]"));

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
    if (page.querySelector("#deploy-mistakes li")) editor.check();
  } catch (error) {
    tellOf(error);
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

/// What a module can be made of.
const deployable = ["bundle", "image"];
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
    if (request.status !== 201) return tell(request.response?.message ?? say("broken"));
    const { name, version, kind } = request.response;
    if (!deployable.includes(kind)) return tell(say("no-module", name, version));
    const choice = document.getElementById("deploy-module");
    const value = `${name}:${version}`;
    if (![...choice.options].some((option) => option.value === value)) choice.add(new Option(value, value));
    choice.value = value;
    choice.focus();
  };
  request.send(file);
});
