// A list of radio buttons that is narrowed by typing: an input with data-filters="ID" shows only
// the entries of the list of that id whose data-name has the text in it. What is chosen stays.
document.addEventListener("input", (event) => {
  const field = event.target.closest("[data-filters]");
  if (!field) return;
  const text = field.value.trim().toLowerCase();
  let count = 0;
  for (const entry of document.querySelectorAll(`#${field.dataset.filters} [data-name]`)) {
    const chosen = entry.querySelector("input").checked;
    entry.hidden = !(chosen || entry.dataset.name.includes(text));
    count += entry.hidden ? 0 : 1;
  }
  const told = document.querySelector(`[data-picker-count="${field.dataset.filters}"]`);
  if (told) told.firstChild.textContent = `${count} shown. `;
  event.stopPropagation();
}, true);

// What is chosen is in sight from the first.
document.querySelector(".picker :checked")?.closest("label").scrollIntoView({ block: "nearest" });
