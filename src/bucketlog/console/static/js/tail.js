// The live tail: rows as they come, the newest on top. Nothing of a record is ever HTML: texts are
// set as text.
import { open } from "./console.js";

const MOST = 300; // rows on the page, and held while it is paused
const tail = document.getElementById("tail");
const find = (name) => tail.querySelector(`[data-${name}]`);
const [body, state, waiting, lost, pause, form] = ["rows", "state", "waiting", "lost", "pause", "tail-filter"].map(find);
const showsBucket = body.dataset.showsBucket === "1";
let source = null;
let paused = false;
let held = [];
let missed = 0;
let ended = false;

function tell(kind, words) {
  state.className = `badge ${kind}`;
  if (state.textContent !== words) state.textContent = words;
}

function cell(text, kind = "", tag = "td") {
  const made = document.createElement(tag);
  made.className = kind;
  made.textContent = text ?? "–";
  return made;
}

const UNITS = ["B", "KB", "MB", "GB", "TB"];
function size(count) {
  if (count === null) return "–";
  let unit = 0;
  while (count >= 999.5 && unit < UNITS.length - 1) [count, unit] = [count / 1000, unit + 1];
  return `${count.toFixed(unit === 0 || count >= 99.5 ? 0 : 1)} ${UNITS[unit]}`;
}

// What would be invisible, or turn the text around, is shown as its number.
const plain = (text) => text?.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);

function made(row) {
  const line = document.createElement("tr");
  line.dataset.raw = row.line;
  const time = cell("", "", "th");
  time.scope = "row";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "tail-open";
  button.textContent = row.time;
  button.setAttribute("aria-label", `${row.time}, ${row.operation}, ${row.status ?? "no status"}: explain this record`);
  time.append(button);
  const status = cell("", "nowrap");
  const code = document.createElement("span");
  code.className = `status s${Math.floor((row.status ?? 0) / 100)}`;
  code.textContent = row.status ?? "–";
  status.append(code);
  if (row.error) {
    const error = document.createElement("span");
    error.className = "error-code";
    error.textContent = row.error;
    status.append(" ", error);
  }
  const operation = cell("");
  const name = document.createElement("span");
  name.className = "operation";
  name.textContent = row.operation;
  operation.append(name);
  const key = cell(plain(row.key), "clipped");
  key.title = plain(row.key) ?? "";
  line.append(time, ...(showsBucket ? [cell(row.bucket)] : []), operation, status, key,
    cell(plain(row.who), "clipped"), cell(row.address), cell(row.client), cell(size(row.bytes), "amount"), cell(row.took, "amount"));
  return line;
}

function show(rows) {
  if (!rows.length) return;
  waiting.hidden = true;
  for (const each of body.querySelectorAll(".fresh")) each.classList.remove("fresh");
  const lines = rows.map(made).reverse();
  for (const each of lines) each.classList.add("fresh");
  body.prepend(...lines);
  while (body.rows.length > MOST) body.lastElementChild.remove();
}

function take(rows) {
  if (!paused) return show(rows);
  held.push(...rows);
  if (held.length > MOST) missed += held.splice(0, held.length - MOST).length;
  find("held").textContent = held.length ? ` (${held.length + missed} new)` : "";
}

function tellLost() {
  lost.hidden = missed === 0;
  lost.textContent = `${missed.toLocaleString("en")} requests came too fast to be shown here. They are recorded, and will be in the log objects.`;
}

function connect() {
  source?.close();
  if (ended) return;
  const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  const shown = query.size ? `?${query}` : "";
  history.replaceState(history.state, "", location.pathname + shown);
  source = new EventSource(tail.dataset.events + shown);
  source.addEventListener("rows", (event) => {
    tell(paused ? "careful" : "good", paused ? "Paused" : "Live");
    take(JSON.parse(event.data));
  });
  source.addEventListener("lost", (event) => {
    missed += JSON.parse(event.data);
    if (!paused) tellLost();
  });
  source.addEventListener("end", (event) => {
    ended = true;
    source.close();
    tell("bad", JSON.parse(event.data));
  });
  source.addEventListener("error", () => {
    if (ended) return;
    if (source.readyState !== EventSource.CLOSED) return tell("careful", "Connecting again");
    ended = true;
    tell("bad", "The console refuses: load the page again");
  });
}

pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  tail.classList.toggle("paused", paused);
  if (!ended) tell(paused ? "careful" : "good", paused ? "Paused" : "Live");
  if (paused) return;
  show(held);
  held = [];
  find("held").textContent = "";
  tellLost();
});

let soon;
form.addEventListener("input", () => {
  clearTimeout(soon);
  soon = setTimeout(filter, 250);
});
form.addEventListener("submit", (event) => event.preventDefault());
find("clear").addEventListener("click", () => {
  for (const field of form.querySelectorAll("input, select")) field.value = "";
  filter();
});

// What is there already is held against the filter too.
function filter() {
  body.replaceChildren();
  held = [];
  missed = 0;
  tellLost();
  waiting.hidden = false;
  connect();
}

body.addEventListener("click", async (event) => {
  const line = event.target.closest("tr");
  if (!line || String(getSelection())) return;
  const dialog = document.getElementById("explained");
  await htmx.ajax("POST", "/insights/-/explain", { target: "#explained-content", values: { line: line.dataset.raw } });
  open(dialog, line.querySelector("button"));
});

connect();
addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", (event) => event.persisted && connect());
