// A secret doesn't come back with the browser's own copy of the page: it goes when the page does.
addEventListener("pagehide", () => {
  document.querySelector("[data-secret]")?.remove();
  document.querySelector("[data-secret-gone]").hidden = false;
});
