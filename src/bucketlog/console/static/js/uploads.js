// Uploads: files and folders, dropped or chosen, each a PUT of its own with the file as its body.
// First it is asked which names are taken; nothing is replaced unless somebody says so.
import { open } from "./console.js";
import { say } from "./toasts.js";

const AT_ONCE = 3;
const ASKED_AT_ONCE = 500;
const place = document.querySelector("[data-drop]");
const panel = document.getElementById("uploads");
const list = panel.querySelector("[data-uploads-list]");
const row = document.getElementById("upload-row");
const csrf = document.body.dataset.csrf;
const uploads = [];

// ── what is uploaded ────────────────────────────────────────────────────────────────────────────

for (const input of document.querySelectorAll("[data-upload-files]")) {
  input.addEventListener("change", () => {
    const files = [...input.files].map((file) => [file.webkitRelativePath || file.name, file]);
    input.value = "";
    input.closest("[data-menu]")?.removeAttribute("open");
    begin(files);
  });
}

let depth = 0;
const shade = document.querySelector("[data-drop-here]");
const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
document.addEventListener("dragenter", (event) => {
  if (hasFiles(event)) shade.hidden = ++depth === 0;
});
document.addEventListener("dragleave", (event) => {
  if (hasFiles(event)) shade.hidden = --depth <= 0;
});
document.addEventListener("dragover", (event) => {
  if (hasFiles(event)) event.preventDefault();
});
document.addEventListener("drop", async (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  depth = 0;
  shade.hidden = true;
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.());
  const plain = [...event.dataTransfer.files].map((file) => [file.name, file]);
  if (!entries.some((entry) => entry?.isDirectory)) return begin(plain);
  const found = [];
  for (const entry of entries) if (entry) await walk(entry, "", found);
  begin(found);
});

async function walk(entry, path, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push([path + entry.name, file]);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const each of some) await walk(each, `${path}${entry.name}/`, found);
  }
}

// ── what is there already ───────────────────────────────────────────────────────────────────────

async function begin(files) {
  if (!files.length) return;
  const folder = decodeURIComponent(place.dataset.folder);
  const wanted = files.map(([path, file]) => ({ key: folder + path, path, file }));
  const taken = new Set();
  const wrong = {};
  for (let at = 0; at < wanted.length; at += ASKED_AT_ONCE) {
    const keys = wanted.slice(at, at + ASKED_AT_ONCE).map((each) => each.key);
    const answer = await question(keys);
    if (!answer) return;
    for (const key of answer.taken) taken.add(key);
    Object.assign(wrong, answer.wrong);
  }
  let left = wanted;
  if (taken.size) {
    const decided = await decide([...taken], wanted.length);
    if (decided === "cancel") return;
    if (decided === "skip") left = wanted.filter((each) => !taken.has(each.key));
  }
  for (const each of left) add(each, taken.has(each.key), wrong[each.key]);
  next();
}

async function question(keys) {
  try {
    const answer = await fetch(`${place.dataset.drop}/objects/check`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
      body: JSON.stringify({ keys }),
    });
    if (answer.ok) return await answer.json();
    const told = await answer.json().catch(() => ({}));
    say("bad", told.error ?? told.title ?? "The upload can't begin", told.message ?? `Status ${answer.status}`);
  } catch {
    say("bad", "The console doesn't answer", "It may be restarting. Try again in a moment.");
  }
  return null;
}

function decide(taken, count) {
  const dialog = document.getElementById("overwrite");
  dialog.querySelector("[data-overwrite-told]").textContent = taken.length === 1 && count === 1
    ? "There is an object of that name."
    : `${taken.length} of ${count} files have the name of an object that is there.`;
  dialog.querySelector("[data-overwrite-list]").replaceChildren(...taken.slice(0, 100).map((key) => {
    const item = document.createElement("li");
    item.className = "code";
    item.textContent = key;
    return item;
  }));
  dialog.querySelector('[data-overwrite="skip"]').hidden = taken.length === count;
  return new Promise((resolve) => {
    const decided = (event) => {
      const button = event.target.closest("[data-overwrite]");
      if (event.type !== "close" && !button) return;
      dialog.removeEventListener("click", decided);
      dialog.removeEventListener("close", decided);
      resolve(button?.dataset.overwrite ?? "cancel");
      dialog.close();
    };
    dialog.addEventListener("click", decided);
    dialog.addEventListener("close", decided);
    open(dialog, document.querySelector("[data-upload-files]"));
  });
}

// ── how it goes ─────────────────────────────────────────────────────────────────────────────────

function add(wanted, replaces, fault) {
  const shown = row.content.firstElementChild.cloneNode(true);
  const upload = { ...wanted, replaces, shown, state: "waits", sent: 0, request: null };
  shown.querySelector(".upload-name").textContent = wanted.path;
  shown.querySelector("progress").setAttribute("aria-label", `Upload of ${wanted.path}`);
  const stop = shown.querySelector("[data-upload-stop]");
  stop.setAttribute("aria-label", `Cancel ${wanted.path}`);
  stop.addEventListener("click", () => cancel(upload));
  uploads.push(upload);
  list.append(shown);
  panel.hidden = false;
  if (fault) become(upload, "failed", fault);
  else become(upload, "waits", `${size(upload.file.size)}, waiting`);
}

function become(upload, state, words) {
  upload.state = state;
  upload.shown.dataset.state = state;
  upload.shown.querySelector(".upload-told").textContent = words;
  upload.shown.querySelector("[data-upload-stop]").hidden = !["waits", "goes"].includes(state);
  if (state === "done") upload.shown.querySelector("progress").value = 1;
  tell();
}

function next() {
  while (uploads.filter((each) => each.state === "goes").length < AT_ONCE) {
    const upload = uploads.find((each) => each.state === "waits");
    if (!upload) return;
    send(upload);
  }
}

function send(upload) {
  const request = (upload.request = new XMLHttpRequest());
  const query = new URLSearchParams({ key: upload.key });
  if (upload.replaces) query.set("replace", "1");
  const began = performance.now();
  request.upload.addEventListener("progress", (event) => {
    upload.sent = event.loaded;
    upload.shown.querySelector("progress").value = event.total ? event.loaded / event.total : 1;
    const rate = event.loaded / Math.max(0.05, (performance.now() - began) / 1000);
    upload.shown.querySelector(".upload-told").textContent = event.loaded < event.total
      ? `${size(event.loaded)} of ${size(event.total)}, ${size(rate)}/s` : "being stored…";
    tell();
  });
  request.addEventListener("loadend", () => {
    if (upload.state === "stopped") return;
    if (request.status >= 200 && request.status < 300) become(upload, "done", `${size(upload.file.size)}, uploaded`);
    else become(upload, "failed", reason(request));
    finish();
  });
  become(upload, "goes", "0 %");
  request.open("PUT", `${place.dataset.drop}/objects/upload?${query}`);
  request.setRequestHeader("X-CSRF-Token", csrf);
  request.send(upload.file);
}

function reason(request) {
  if (!request.status) return "The connection broke. The file may have changed or gone, or the console is restarting.";
  try {
    const told = JSON.parse(request.responseText);
    return told.error ?? `${told.title}. ${told.message}`;
  } catch {
    return `It was refused (status ${request.status}). Load the page again, then repeat.`;
  }
}

function cancel(upload) {
  const goes = upload.state === "goes";
  become(upload, "stopped", "cancelled");
  if (goes) upload.request.abort();
  finish();
}

const busy = () => uploads.some((each) => ["waits", "goes"].includes(each.state));

function finish() {
  next();
  if (!busy()) document.body.dispatchEvent(new Event("bucketlog:changed"));
}

let told = "";
function tell() {
  const done = uploads.filter((each) => each.state === "done").length;
  const failed = uploads.filter((each) => each.state === "failed").length;
  const words = `${done} of ${uploads.length} uploaded${failed ? `, ${failed} failed` : ""}`;
  if (words !== told) panel.querySelector("[data-uploads-told]").textContent = told = words;
  panel.querySelector("[data-uploads-cancel]").hidden = !busy();
  panel.querySelector("[data-uploads-close]").hidden = busy();
}

panel.querySelector("[data-uploads-cancel]").addEventListener("click", () => {
  for (const upload of uploads.filter((each) => each.state === "waits")) become(upload, "stopped", "cancelled");
  for (const upload of uploads.filter((each) => each.state === "goes")) cancel(upload);
});
panel.querySelector("[data-uploads-close]").addEventListener("click", () => {
  uploads.length = 0;
  list.replaceChildren();
  panel.hidden = true;
});
addEventListener("beforeunload", (event) => {
  if (busy()) event.preventDefault();
});

function size(bytes) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  while (bytes >= 999.5 && at < units.length - 1) [bytes, at] = [bytes / 1000, at + 1];
  return `${at === 0 || bytes >= 99.5 ? bytes.toFixed(0) : bytes.toFixed(1)} ${units[at]}`;
}
