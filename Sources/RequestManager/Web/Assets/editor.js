// A text of many lines with their numbers, and the mistakes in it at their lines while one types.
import { requestToken } from "./forms.js";
import { tellOf } from "./notice.js";
import { say } from "./words.js";

/// How long nobody must type before the text is checked, in milliseconds.
const stillness = 120;

export async function post(path, body, headers = {}) {
  return fetch(path, { method: "POST", body, headers: { "Request-Token": requestToken(), ...headers } });
}

export class Editor {
  #path;
  #gutter;
  #text;
  #list;
  #wrong = new Set();
  #numbered = 0;
  #timer = null;
  #checks = 0;
  /// Whether the key moves on, as everywhere else.
  #tabMoves = false;

  constructor(box) {
    this.#path = box.dataset.editor;
    this.#gutter = box.querySelector(".gutter");
    this.#text = box.querySelector("textarea");
    this.#list = document.getElementById(this.#text.getAttribute("aria-describedby"));
    this.#text.addEventListener("input", () => {
      this.#number();
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.check(), stillness);
    });
    this.#text.addEventListener("scroll", () => { this.#gutter.scrollTop = this.#text.scrollTop; });
    this.#text.addEventListener("keydown", (event) => this.#press(event));
    this.#text.addEventListener("blur", () => { this.#tabMoves = false; });
    this.#list.addEventListener("click", (event) => {
      if (event.target.dataset.line) this.#go(Number(event.target.dataset.line));
    });
    this.#number();
    if (this.#text.value && !this.#text.readOnly) this.check();
  }

  async check() {
    const mine = ++this.#checks;
    let mistakes = [];
    if (this.#text.value.trim() !== "") {
      try {
        const response = await post(this.#path, new URLSearchParams({ file: this.#text.value }), { Accept: "application/json" });
        const answer = await response.json();
        if (!response.ok) throw new Error(answer.message);
        mistakes = answer;
      } catch (error) {
        return tellOf(error);
      }
      if (mine !== this.#checks) return;
    }
    this.#wrong = new Set(mistakes.map((mistake) => mistake.line));
    this.#numbered = 0;
    this.#number();
    this.#list.replaceChildren(...mistakes.map(({ line, message }) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.line = line;
      button.textContent = say("mistake", line);
      item.append(button, ` ${message}`);
      return item;
    }));
    if (mistakes.length === 0 && this.#text.value.trim() !== "") {
      const item = document.createElement("li");
      item.className = "well";
      item.textContent = this.#list.dataset.well;
      this.#list.append(item);
    }
  }

  #number() {
    let count = 1;
    for (let place = this.#text.value.indexOf("\n"); place >= 0; place = this.#text.value.indexOf("\n", place + 1)) count += 1;
    if (count === this.#numbered) return;
    this.#numbered = count;
    const pieces = [];
    let plain = "";
    for (let line = 1; line <= count; line += 1) {
      if (this.#wrong.has(line)) {
        const mark = document.createElement("span");
        mark.className = "wrong";
        mark.textContent = line;
        pieces.push(plain, mark);
        plain = "\n";
      } else {
        plain += `${line}\n`;
      }
    }
    this.#gutter.replaceChildren(...pieces, plain);
    this.#gutter.scrollTop = this.#text.scrollTop;
  }

  // A tab would be a mistake in YAML; two spaces are meant. Escape lets the key move on again.
  #press(event) {
    if (event.key === "Escape") {
      this.#tabMoves = true;
    } else if (event.key === "Tab" && !this.#tabMoves && !event.shiftKey && !event.ctrlKey && !event.altKey) {
      event.preventDefault();
      this.#text.setRangeText("  ", this.#text.selectionStart, this.#text.selectionEnd, "end");
      this.#text.dispatchEvent(new Event("input", { bubbles: true }));
    } else if (event.key !== "Shift") {
      this.#tabMoves = false;
    }
  }

  #go(line) {
    const lines = this.#text.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
    this.#text.focus();
    this.#text.setSelectionRange(start, start + lines[line - 1].length);
    this.#text.scrollTop = (line - 3) * this.#text.scrollHeight / lines.length;
  }
}
