// What scripts say. The words themselves lie with all others, in the templates.
const words = document.getElementById("words");

/** A sentence, with values in the place of each `#`. */
export function say(name, ...values) {
  return words.getAttribute(`data-say-${name}`).replaceAll("#", () => values.shift());
}
