// Says something to whoever looks, for a moment.
import { say } from "./words.js";

const shown = 8_000;
const notice = document.getElementById("notice");
let hiding = null;
let isOfAbsence = false;

export function tell(words) {
  notice.textContent = words;
  notice.hidden = false;
  isOfAbsence = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { notice.hidden = true; }, shown);
}

/** Tells of an error. A browser says of an agent that does not answer only that it failed. */
export function tellOf(error) {
  tell(reason(error));
  isOfAbsence = error instanceof TypeError;
}

export const reason = (error) => (error instanceof TypeError ? say("away") : error.message);

/** The agent answers again. */
export function hushOfAbsence() {
  if (isOfAbsence) notice.hidden = true;
}
