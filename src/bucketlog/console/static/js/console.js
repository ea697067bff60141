// What every page does beyond HTML. No page needs a line of script of its own for any of this:
//   data-opens="ID"     opens the dialog of that id        data-closes   closes the one it is in
//   data-copies="TEXT"  copies it, and says so             data-dismiss  removes a toast
//   data-confirms="X"   on an input: its form can be sent only while X is typed there
// A dialog whose id is the address's fragment opens with the page, so it can be linked to.
import { say } from "./toasts.js";
import "./theme.js";

const opener = new WeakMap();

export function open(dialog, from) {
  if (dialog.open) return;
  opener.set(dialog, from);
  dialog.showModal();
}

document.addEventListener("click", async (event) => {
  const at = (selector) => event.target.closest?.(selector);
  const opens = at("[data-opens]");
  if (opens) open(document.getElementById(opens.dataset.opens), opens);
  if (at("[data-closes]")) at("dialog")?.close();
  const copies = at("[data-copies]");
  if (copies) {
    await navigator.clipboard.writeText(copies.dataset.copies);
    say("good", "Copied");
  }
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
  // A press beside a dialog closes it, unless something was entered.
  if (event.target instanceof HTMLDialogElement && !isTouched(event.target)) {
    const box = event.target.getBoundingClientRect();
    const inside = event.clientX >= box.left && event.clientX <= box.right &&
      event.clientY >= box.top && event.clientY <= box.bottom;
    if (!inside) event.target.close();
  }
});

function isTouched(dialog) {
  return [...dialog.querySelectorAll("input:not([type=hidden]), textarea")].some(
    (field) => field.value !== field.defaultValue || field.checked !== field.defaultChecked,
  );
}

document.addEventListener("close", (event) => opener.get(event.target)?.focus?.(), true);

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const menu of document.querySelectorAll("[data-menu][open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  }
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const search = document.querySelector("[data-search]");
    if (search) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  }
});

function checkConfirmation(field) {
  const button = field.form?.querySelector("[type=submit], button:not([type])");
  if (button) button.disabled = field.value !== field.dataset.confirms;
}
document.addEventListener("input", (event) => {
  if (event.target.matches("[data-confirms]")) checkConfirmation(event.target);
});

// Also for what htmx brings.
function prepare(root) {
  root.querySelectorAll?.("[data-confirms]").forEach(checkConfirmation);
  root.querySelectorAll?.("[data-opens-itself]").forEach((dialog) => open(dialog, document.activeElement));
}
document.addEventListener("htmx:load", (event) => prepare(event.detail.elt.parentElement ?? event.detail.elt));
prepare(document);

document.addEventListener("htmx:sendError", () =>
  say("bad", "The console doesn't answer", "It may be restarting. Try again in a moment."));

function openLinked() {
  const wanted = location.hash.slice(1);
  const dialog = wanted && document.getElementById(wanted);
  if (dialog instanceof HTMLDialogElement) open(dialog, null);
}
addEventListener("hashchange", openLinked);
openLinked();
