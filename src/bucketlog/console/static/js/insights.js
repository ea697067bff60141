// Charts: what a bar says while the pointer or the focus is on it, arrow keys from bar to bar,
// dragging over several to see their time alone; links that change the board and nothing else.
const board = () => document.getElementById("board");
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true"); // the bar's label says the same
document.body.append(tip);

function tell(bar) {
  tip.textContent = bar.dataset.tip;
  tip.hidden = false;
  const box = bar.getBoundingClientRect();
  const left = Math.min(Math.max(8, box.left + box.width / 2 - tip.offsetWidth / 2), innerWidth - tip.offsetWidth - 8);
  const above = box.top - tip.offsetHeight - 6;
  tip.style.translate = `${left}px ${above > 8 ? above : box.bottom + 6}px`;
}

const barAt = (event) => event.target.closest?.(".bar");
document.addEventListener("pointerover", (event) => {
  const bar = barAt(event);
  if (bar) tell(bar);
  else tip.hidden = true;
});
document.addEventListener("focusin", (event) => {
  const bar = barAt(event);
  if (bar) tell(bar);
});
document.addEventListener("focusout", () => (tip.hidden = true));
addEventListener("scroll", () => (tip.hidden = true), { passive: true });

// One stop of the Tab key for each chart; arrows inside.
function prepare() {
  for (const plot of document.querySelectorAll("[data-plot]")) {
    const bars = [...plot.querySelectorAll(".bar")];
    bars.forEach((bar, place) => bar.setAttribute("tabindex", place === bars.length - 1 ? "0" : "-1"));
  }
}
const STEPS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
document.addEventListener("keydown", (event) => {
  const bar = barAt(event);
  if (!bar || !(event.key in STEPS)) return;
  event.preventDefault();
  const bars = [...bar.closest("[data-plot]").querySelectorAll(".bar")];
  const place = Math.min(Math.max(bars.indexOf(bar) + STEPS[event.key], 0), bars.length - 1);
  for (const each of bars) each.setAttribute("tabindex", each === bars[place] ? "0" : "-1");
  bars[place].focus();
});

// ── going somewhere ─────────────────────────────────────────────────────────────────────────────

function go(address) {
  tip.hidden = true;
  htmx.ajax("GET", address, { target: "#board", swap: board().dataset.swap }).then(() => {
    const shown = new URL(address, location);
    shown.searchParams.delete("anew");
    history.pushState({ board: true }, "", shown.pathname + shown.search);
    if (document.activeElement === document.body) board()?.focus({ preventScroll: true });
  });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("#board [data-board-links] a[href]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  if (!dragged) go(link.getAttribute("href"));
});
addEventListener("popstate", () => location.reload());

// ── dragging ────────────────────────────────────────────────────────────────────────────────────

let drag = null;
let dragged = false;

document.addEventListener("pointerdown", (event) => {
  dragged = false;
  const bar = barAt(event);
  if (!bar || event.button || event.pointerType === "touch") return;
  drag = { plot: bar.closest("[data-plot]"), from: bar, to: bar };
  event.preventDefault();
});
document.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const bars = [...drag.plot.querySelectorAll(".bar")];
  const box = drag.plot.getBoundingClientRect();
  const part = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 0.9999);
  drag.to = bars[Math.floor(part * bars.length)];
  dragged = dragged || drag.to !== drag.from;
  if (!dragged) return;
  const [first, last] = inOrder(bars);
  const brush = drag.plot.querySelector(".brush");
  brush.removeAttribute("hidden");
  brush.setAttribute("x", first.querySelector(".hit").getAttribute("x"));
  brush.setAttribute("width", `${((bars.indexOf(last) - bars.indexOf(first) + 1) * 100) / bars.length}%`);
  tip.hidden = true;
});
document.addEventListener("pointerup", () => {
  if (!drag) return;
  const bars = [...drag.plot.querySelectorAll(".bar")];
  const [first, last] = inOrder(bars);
  drag.plot.querySelector(".brush").setAttribute("hidden", "");
  drag = null;
  if (!dragged) return;
  const address = new URL(location);
  for (const name of ["range", "anew"]) address.searchParams.delete(name);
  address.searchParams.set("from", first.dataset.from);
  address.searchParams.set("to", last.dataset.to);
  go(address.pathname + address.search);
  setTimeout(() => (dragged = false)); // the click that follows is none
});

function inOrder(bars) {
  return bars.indexOf(drag.from) <= bars.indexOf(drag.to) ? [drag.from, drag.to] : [drag.to, drag.from];
}

document.addEventListener("htmx:load", prepare);
prepare();
