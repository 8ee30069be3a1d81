// Keeps the parts of a page as the agent has them, without touching what has not changed: what is focused, selected or
// scrolled stays so.
import { hushOfAbsence } from "./notice.js";
import { readTimes } from "./times.js";

const longestPause = 5_000;
const pauseBeforeLoading = 2_000;
const status = document.getElementById("connection");
let source = null;
let pause = 250;
let timer = null;

export function address() {
  return document.body.dataset.live;
}

/** Begins anew, perhaps at another address, and after so many milliseconds. */
export function follow(place = address(), delay = 0) {
  source?.close();
  clearTimeout(timer);
  if (place === undefined || !status) return;
  document.body.dataset.live = place;
  if (document.hidden) return show("paused");
  if (delay) {
    timer = setTimeout(() => follow(), delay);
    return;
  }
  source = new EventSource(`/live?page=${encodeURIComponent(place)}`);
  source.addEventListener("open", () => {
    pause = 250;
    show("up");
    hushOfAbsence();
  });
  source.addEventListener("part", (event) => change(JSON.parse(event.data)));
  source.addEventListener("gone", (event) => {
    source.close();
    show("gone", JSON.parse(event.data).message);
    // What it can do cannot be done any more.
    document.getElementById("main").inert = true;
  });
  source.addEventListener("error", async () => {
    source.close();
    show("away");
    if (await isSignedOut()) return location.reload();
    timer = setTimeout(() => follow(), pause);
    pause = Math.min(pause * 2, longestPause);
  });
}

function show(state, words) {
  status.className = `connection ${state}`;
  status.textContent = words ?? status.dataset[state];
}

/** Loads a page of which a part is missing again, as soon as the agent answers. */
export function loadAgain() {
  if (status) show("away");
  setTimeout(async () => {
    try {
      await fetch("/v1/health/live");
      location.reload();
    } catch {
      loadAgain();
    }
  }, pauseBeforeLoading);
}

// Whoever may not look any more is told how to sign in; an agent that is away says nothing.
async function isSignedOut() {
  try {
    return (await fetch("/v1/health/live")).status === 403;
  } catch {
    return false;
  }
}

// A page that nobody sees costs nothing.
document.addEventListener("visibilitychange", () => follow());

/** Makes a part what `html` says. */
export function change({ id, html }) {
  const old = document.getElementById(id);
  if (!old) return;
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  const fresh = template.content.firstElementChild;
  readTimes(template.content);
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  morph(old, fresh);
  // Who has been moved loses it; where it is gone, its table keeps the place.
  if (focused && document.activeElement !== focused) {
    (focused.isConnected ? focused : document.getElementById(id).querySelector("[tabindex]"))?.focus({ preventScroll: true });
  }
}

function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) return old.replaceWith(fresh);
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  // An answer that has come stays.
  if (old.nodeName === "OUTPUT") return;
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) {
    // What somebody has opened stays open.
    if (!fresh.hasAttribute(name) && !(old.nodeName === "DETAILS" && name === "open")) old.removeAttribute(name);
  }
  if (old.nodeName === "INPUT" && old === document.activeElement) return;
  morphChildren(old, fresh);
}

function morphChildren(old, fresh) {
  const staying = new Set([...fresh.children].map((child) => child.id).filter(Boolean));
  const named = new Map();
  for (const child of [...old.children]) {
    if (staying.has(child.id)) named.set(child.id, child);
    // Gone first, so that those behind need not move.
    else if (child.id) child.remove();
  }
  let place = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const known = child.id ? named.get(child.id) : null;
    if (known) {
      if (known === place) place = place.nextSibling;
      else old.insertBefore(known, place);
      morph(known, child);
    } else if (place && !place.id && !child.id && place.nodeName === child.nodeName) {
      const next = place.nextSibling;
      morph(place, child);
      place = next;
    } else {
      old.insertBefore(child, place);
    }
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}
