// Selecting in the list of objects: all of them, none, how many; the bar shows while any is.
const ask = (form) => [...form.querySelectorAll("[name=item]")];

function tell(form) {
  const boxes = ask(form);
  const count = boxes.filter((box) => box.checked).length;
  const all = form.querySelector("[data-selects-all]");
  all.checked = count === boxes.length;
  all.indeterminate = count > 0 && count < boxes.length;
  form.querySelector("[data-selection-bar]").hidden = count === 0;
  form.querySelector("[data-selection-told]").textContent = `${count} selected`;
}

document.addEventListener("change", (event) => {
  const form = event.target.closest("[data-selection]");
  if (!form) return;
  if (event.target.matches("[data-selects-all]")) {
    for (const box of ask(form)) box.checked = event.target.checked;
  }
  tell(form);
});

// A press with Shift selects everything since the press before.
let last = null;
document.addEventListener("click", (event) => {
  const form = event.target.closest?.("[data-selection]");
  if (!form) return;
  if (event.target.closest("[data-selects-none]")) {
    for (const box of ask(form)) box.checked = false;
    tell(form);
    form.querySelector("[data-selects-all]").focus();
  }
  if (!event.target.matches("[name=item]")) return;
  const boxes = ask(form);
  const [from, to] = [boxes.indexOf(last), boxes.indexOf(event.target)].sort((a, b) => a - b);
  if (event.shiftKey && from >= 0) {
    for (const box of boxes.slice(from, to + 1)) box.checked = event.target.checked;
    tell(form);
  }
  last = event.target;
});

// The browser may bring selections back with the page.
for (const form of document.querySelectorAll("[data-selection]")) tell(form);
