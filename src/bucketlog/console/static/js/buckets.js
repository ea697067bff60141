// The rules of bucket names, shown as they are kept while somebody types.
// Source: "General purpose bucket naming rules", S3 User Guide. The server checks again.
const RULES = {
  length: (name) => name.length >= 3 && name.length <= 63,
  letters: (name) => /^[a-z0-9.-]*$/.test(name),
  ends: (name) => /^[a-z0-9](.*[a-z0-9])?$/.test(name),
  shape: (name) => !/\.\.|\.-|-\./.test(name) && !/^\d+\.\d+\.\d+\.\d+$/.test(name),
};

document.addEventListener("input", (event) => {
  const field = event.target.closest("[data-bucket-name]");
  if (!field) return;
  const name = field.value;
  for (const line of document.querySelectorAll("[data-rule]")) {
    const kept = RULES[line.dataset.rule](name);
    line.className = name === "" ? "" : kept ? "kept" : "broken";
  }
  const broken = Object.values(RULES).some((rule) => !rule(name));
  field.setAttribute("aria-invalid", String(name !== "" && broken));
  field.form.querySelector("[type=submit]").disabled = broken;
});
