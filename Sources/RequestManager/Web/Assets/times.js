// Shows how long ago a time was; the time itself is its title.
const steps = [[60, 1, "s"], [3600, 60, "m"], [86400, 3600, "h"], [Infinity, 86400, "d"]];

function distance(seconds) {
  const size = Math.abs(seconds);
  const [, unit, letter] = steps.find(([below]) => size < below);
  const count = `${Math.floor(size / unit)}${letter}`;
  return seconds < 0 ? `in ${count}` : `${count} ago`;
}

export function readTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = Date.parse(element.dateTime);
    if (Number.isNaN(at)) continue;
    const text = distance((Date.now() - at) / 1000);
    if (element.textContent !== text) element.textContent = text;
    if (!element.title) element.title = new Date(at).toLocaleString();
  }
}
