// Records: what belongs together lights up together. In the list a row and its raw line, by
// data-line; in a record a part of the raw line and the field's explanation, by data-field.
function lightUp(place, name, value) {
  for (const each of place.querySelectorAll(".lit")) each.classList.remove("lit");
  if (value === undefined) return;
  for (const each of place.querySelectorAll(`[data-${name}="${value}"]`)) each.classList.add("lit");
}

for (const [type, leaves] of [["pointerover", false], ["focusin", false], ["pointerout", true], ["focusout", true]]) {
  document.addEventListener(type, (event) => {
    for (const [inside, name] of [["[data-records]", "line"], ["[data-record]", "field"]]) {
      const place = event.target.closest?.(inside);
      const at = event.target.closest?.(`[data-${name}]`);
      if (!place || !at) continue;
      // What has the focus stays lit while the pointer is elsewhere.
      const kept = place.querySelector(`[data-${name}]:focus, [data-${name}]:focus-within`);
      lightUp(place, name, leaves ? kept?.dataset[name] : at.dataset[name]);
    }
  });
}

// A press on a raw line opens its record, as its row does.
document.addEventListener("click", (event) => {
  const line = event.target.closest?.(".raw-text [data-line]");
  if (!line || String(getSelection())) return;
  document.querySelector(`.records [data-line="${line.dataset.line}"] a.open`)?.click();
});

// The raw line is one stop of the Tab key; arrows go from field to field in it.
const raw = document.querySelector("[data-raw-line]");
const marks = raw ? [...raw.querySelectorAll("[data-field]")] : [];
marks.forEach((mark, at) => (mark.tabIndex = at === 0 ? 0 : -1));
raw?.addEventListener("keydown", (event) => {
  const at = marks.indexOf(event.target);
  const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: marks.length - 1 }[event.key];
  if (at < 0 || to === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  const next = marks[to];
  if (!next) return;
  for (const mark of marks) mark.tabIndex = mark === next ? 0 : -1;
  next.focus();
});

// Left and right, anywhere else, lead to the records beside this one.
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.target.closest?.("input, textarea, select, [data-raw-line], [role=region], details, dialog")) return;
  document.querySelector(`[data-key="${event.key}"]`)?.click();
});
