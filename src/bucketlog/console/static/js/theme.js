// Light, dark, or as the system: at once, and remembered by the server's cookie for the next page.
const form = document.querySelector("[data-theme-choice]");
form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const theme = event.submitter.value;
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  for (const button of form.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button === event.submitter));
  }
  const fields = new URLSearchParams(new FormData(form));
  fields.set("theme", theme);
  await fetch("/theme", { method: "POST", body: fields, redirect: "manual" });
});
