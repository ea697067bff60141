// Toasts: short messages that don't stop anybody. Good news goes by itself; bad news stays.
const STAYS_MS = 6000;
const place = document.getElementById("toasts");

// say("good" | "bad" | "plain", text, detail)
export function say(kind, text, detail) {
  const toast = document.createElement("div");
  toast.className = `toast ${kind}`;
  if (kind === "bad") toast.setAttribute("role", "alert");
  const words = document.createElement("div");
  words.append(paragraph(text));
  if (detail) words.append(paragraph(detail, "detail"));
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button quiet square";
  button.dataset.dismiss = "";
  button.setAttribute("aria-label", "Dismiss");
  button.textContent = "×";
  toast.append(words, button);
  place.append(toast);
}

function paragraph(text, kind = "") {
  const made = document.createElement("p");
  made.textContent = text;
  made.className = kind;
  return made;
}

function settle(toast) {
  if (toast.classList.contains("bad")) return;
  setTimeout(() => {
    if (toast.matches(":hover, :focus-within")) settle(toast);
    else toast.remove();
  }, STAYS_MS);
}

if (place) {
  place.addEventListener("click", (event) => {
    event.target.closest("[data-dismiss]")?.closest(".toast").remove();
  });
  new MutationObserver((changes) => {
    for (const change of changes) {
      for (const node of change.addedNodes) if (node instanceof Element) settle(node);
    }
  }).observe(place, { childList: true });
  for (const toast of place.children) settle(toast);
}
