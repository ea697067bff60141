// Health asks again by itself: not while it is paused or out of sight. What changes among the
// alarms is said to screen readers; the numbers are not, they change all the time.
const now = document.getElementById("now");
const pause = document.querySelector("[data-pause]");
const stale = document.querySelector("[data-stale]");
const said = document.querySelector("[data-health-said]");

const alarms = () => now.querySelector("[data-alarms]").dataset.alarms;
let known = alarms();

pause.addEventListener("click", () => {
  const paused = pause.getAttribute("aria-pressed") !== "true";
  pause.setAttribute("aria-pressed", String(paused));
  const icon = pause.querySelector("use");
  icon.setAttribute("href", icon.getAttribute("href").replace(/#.*/, paused ? "#play" : "#pause"));
  pause.querySelector("span").textContent = paused ? "Paused" : "Pause";
});

now.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden || pause.getAttribute("aria-pressed") === "true") event.preventDefault();
});
now.addEventListener("htmx:afterSwap", () => {
  stale.hidden = true;
  if (alarms() !== known) said.textContent = known = alarms();
});
// One line says that nothing comes, not a toast every few seconds.
function miss(event) {
  event.stopPropagation();
  stale.hidden = false;
}
now.addEventListener("htmx:sendError", miss);
now.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status >= 400) {
    event.detail.shouldSwap = false;
    miss(event);
  }
});
