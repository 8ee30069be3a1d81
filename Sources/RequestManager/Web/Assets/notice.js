// Says something to whoever looks, for a moment.
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
  tell(words(error));
  isOfAbsence = error instanceof TypeError;
}

export const words = (error) =>
  (error instanceof TypeError ? "The agent does not answer: 'orch status' tells whether it runs." : error.message);

/** The agent answers again. */
export function hushOfAbsence() {
  if (isOfAbsence) notice.hidden = true;
}
