// Forms that answer in place, searches that narrow while one types, and a question before what cannot be taken back.
import { address, change, follow } from "./live.js";
import { reason, tell, tellOf } from "./notice.js";

export const requestToken = () => document.querySelector("meta[name=request-token]")?.content ?? "";

/** Sends a form and gives the answer. Throws what the agent says when it refuses. */
export async function send(path, fields) {
  const response = await fetch(path, {
    method: "POST", body: new URLSearchParams(fields), headers: { "Request-Token": requestToken(), Accept: "application/json" },
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.message);
  return answer;
}

/** Whether a form asks before it is sent: some only for a certain value, as in `replicas=0`. */
function asks({ elements }) {
  if (!elements.ask) return false;
  const [field, value] = elements.ask_if?.value.split("=") ?? [];
  return !field || elements[field].value === value;
}

/** Asks for the name of what would be gone. */
function confirmed(name, text) {
  const dialog = document.getElementById("confirm");
  const [input, yes] = [document.getElementById("confirm-name"), document.getElementById("confirm-yes")];
  document.getElementById("confirm-text").textContent = text;
  document.getElementById("confirm-wanted").textContent = name;
  input.value = "";
  yes.disabled = true;
  input.oninput = () => { yes.disabled = input.value !== name; };
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => { dialog.onclose = () => resolve(dialog.returnValue === "yes"); });
}

// Enter in the field means the button that goes on, not the first one.
document.getElementById("confirm-name").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  const yes = document.getElementById("confirm-yes");
  if (!yes.disabled) yes.click();
});

async function submit(form, submitter) {
  const fields = new FormData(form, submitter);
  if (asks(form)) {
    const { ask, ask_for: wanted } = form.elements;
    if (!(await confirmed(wanted.value, ask.value))) return;
    fields.set("answer", wanted.value);
  }
  submitter?.classList.add("busy");
  const output = form.querySelector("output");
  try {
    const answer = await send(form.getAttribute("action"), fields);
    if (output) {
      output.textContent = answer.message;
      output.className = answer.failed ? "bad" : "good";
    } else if (answer.go) {
      location.assign(answer.go);
    } else {
      if (answer.message) tell(answer.message);
      if ("reset" in form.dataset) form.reset();
      await show(address());
    }
  } catch (error) {
    if (output) {
      output.textContent = reason(error);
      output.className = "bad";
    } else {
      tellOf(error);
    }
  } finally {
    submitter?.classList.remove("busy");
  }
}

let showing = 0;

/** Shows what a place has now; of several at once the last counts. */
async function show(place) {
  const mine = ++showing;
  const response = await fetch(`/parts?page=${encodeURIComponent(place)}`);
  if (!response.ok) return;
  const parts = await response.json();
  if (mine === showing) parts.forEach(change);
}

/// How long nobody must type before the page follows what it shows, in milliseconds.
const stillness = 300;

/** Shows what is found, and keeps the search in the address. */
async function search(form) {
  const fields = [...new FormData(form)].filter(([, value]) => value !== "");
  const query = new URLSearchParams(fields).toString();
  const place = form.getAttribute("action") + (query ? `?${query}` : "");
  history.replaceState(null, "", place);
  follow(place, stillness);
  try {
    await show(place);
  } catch (error) {
    tellOf(error);
  }
}

export function takeOverForms() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches("[data-search]")) {
      event.preventDefault();
      search(form);
    } else if (form.method === "post" && !form.matches("[data-deploy]") && form.closest("main")
      && form.querySelector("[name=token]")) {
      event.preventDefault();
      submit(form, event.submitter);
    }
  });
  document.addEventListener("input", (event) => {
    const form = event.target.closest("[data-search]");
    if (form) search(form);
  });
  const schedule = document.querySelector("[data-schedule]");
  if (schedule) schedule.addEventListener("input", () => preview(schedule));
}

let previewing = null;

/** Says when a schedule would be due. */
function preview(form) {
  clearTimeout(previewing);
  previewing = setTimeout(async () => {
    const place = document.getElementById("schedule-preview");
    try {
      const answer = await send("/Schedules/preview", new FormData(form));
      place.className = "faint";
      place.textContent = `${place.dataset.heading} ${answer.times.join(", ")}`;
    } catch (error) {
      place.className = "bad";
      place.textContent = reason(error);
    }
  }, 250);
}
