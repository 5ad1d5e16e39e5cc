// Only makes quicker what works without it: keys, live lists, letters that open in place.

const rows = () => [...document.querySelectorAll("#list .row a.subject, .found .row a.subject")];
const page = (text) => new DOMParser().parseFromString(text, "text/html");
const get = async (url, headers = {}) => {
  const answer = await fetch(url, { headers: { accept: "text/html", ...headers }, credentials: "same-origin" });
  if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
  return page(await answer.text());
};

// --- live lists: an event says which teams changed; the page asks anew for what it shows ---

const keyOf = (element) => element?.closest?.("[data-live]") && element.getAttribute("href");

function exchange(fresh) {
  let changed = false;
  const focused = keyOf(document.activeElement);
  for (const old of document.querySelectorAll("[data-live]")) {
    const now = fresh.getElementById(old.id);
    if (!now || now.innerHTML === old.innerHTML) continue;
    // What somebody is filling in stays; the server says when it has become outdated.
    if (old.id !== "list" && (old.querySelector("details[open]") || old.querySelector("input:focus, select:focus, textarea:focus"))) continue;
    if (old.id === "list") changed = listed(old) !== listed(now);
    const pane = old.parentElement;
    const place = pane.scrollTop;
    const picked = [...old.querySelectorAll(".pick:checked")].map((box) => box.name);
    old.replaceChildren(...document.importNode(now, true).childNodes);
    for (const box of old.querySelectorAll(".pick")) box.checked = picked.includes(box.name);
    countPicked();
    pane.scrollTop = place;
  }
  if (focused) document.querySelector(`[data-live] a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  return changed;
}

// --- a selection: how many, and all of the page at once ---

function countPicked() {
  const said = document.getElementById("picked");
  if (said) said.textContent = String(document.querySelectorAll(".pick:checked").length || "");
}

document.addEventListener("change", (event) => { if (event.target.matches(".pick")) countPicked(); });

function pick(all) {
  const boxes = [...document.querySelectorAll(".pick")];
  if (all) {
    const on = boxes.some((box) => !box.checked);
    for (const box of boxes) box.checked = on;
  } else {
    const box = document.activeElement?.closest(".row")?.querySelector(".pick");
    if (box) box.checked = !box.checked;
  }
  countPicked();
}

const listed = (list) => [...list.querySelectorAll(".row")].map((row) => row.className + row.textContent).join();

function letterCame(fresh) {
  const shown = document.getElementById("fresh");
  const now = fresh.getElementById("fresh");
  if (shown && now && now.dataset.newest !== shown.dataset.newest) shown.hidden = false;
}

// A crowd of changes costs one question a second, and a page that nobody looks at one in ten seconds.
const PAUSE_MS = 1000;
const ASIDE_MS = 10_000;
let due = 0;
let asked = -ASIDE_MS;
let waiting = false;
let again = false;

function changed() {
  again = waiting; // an older answer must not come after a newer one
  if (due || waiting) return;
  const pause = document.hidden && !wish.on ? ASIDE_MS : PAUSE_MS;
  due = setTimeout(refresh, Math.max(0, asked + pause - performance.now()));
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden || !due) return;
  clearTimeout(due);
  due = 0;
  changed();
});

async function refresh() {
  due = 0;
  asked = performance.now();
  waiting = true;
  try {
    const fresh = await get(location.href, { "x-maild-live": "1" });
    notify(fresh);
    document.title = fresh.title;
    const said = document.getElementById("said");
    if (exchange(fresh) && said) said.textContent = said.dataset.new;
    letterCame(fresh);
  } catch {
    // The next event, or the reader, tries again.
  }
  waiting = false;
  if (again) changed();
}

// --- notifications, while a page is open: team and number; the wish is this browser's and this person's ---

const person = document.querySelector("[data-person]")?.dataset.person;
const wish = {
  get on() {
    try {
      return localStorage.getItem(`notify-${person}`) === "yes" && Notification.permission === "granted";
    } catch {
      return false; // this browser keeps nothing, or knows no notifications
    }
  },
  set on(yes) {
    if (yes) localStorage.setItem(`notify-${person}`, "yes");
    else localStorage.removeItem(`notify-${person}`);
  },
};

function notify(fresh) {
  if (document.hasFocus() || !wish.on) return;
  const before = new Map([...document.querySelectorAll("#teams [data-news]")].map((team) => [team.dataset.team, Number(team.dataset.news)]));
  for (const { dataset } of fresh.querySelectorAll("#teams [data-news]")) {
    if (Number(dataset.news) <= (before.get(dataset.team) ?? 0)) continue;
    const note = new Notification(dataset.name, { body: dataset.said, tag: `maild-${dataset.team}` });
    note.addEventListener("click", () => { window.focus(); note.close(); });
  }
}

const wishing = document.querySelector("[data-notify]");

function showWish() {
  const said = document.getElementById("notify-said");
  said.textContent = wish.on ? said.dataset.on : Notification.permission === "denied" ? said.dataset.denied : said.dataset.off;
  wishing.textContent = wish.on ? wishing.dataset.off : wishing.dataset.on;
  wishing.hidden = Notification.permission === "denied";
}

if (wishing && "Notification" in window && isSecureContext) {
  showWish();
  wishing.addEventListener("click", async () => {
    wish.on = !wish.on && (await Notification.requestPermission()) === "granted";
    showWish();
  });
}

function listen() {
  if (!document.querySelector("[data-live]")) return;
  const here = document.querySelector("[data-conversation]")?.dataset.conversation;
  const made = document.querySelector("[data-made]")?.dataset.made ?? "";
  const source = new EventSource(`/events?made=${made}` + (here ? `&c=${encodeURIComponent(here)}` : ""));
  source.addEventListener("inbox", changed);
  source.addEventListener("end", () => source.close());
  let lost = false;
  source.addEventListener("error", () => { lost = true; });
  source.addEventListener("open", () => {
    if (lost) changed();
    lost = false;
    document.documentElement.dataset.live = "yes";
  });
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}

// --- letters that were not sent along open in place ---

async function unfold(letter) {
  const body = letter.querySelector("[data-letter]");
  if (!body) return;
  const url = body.dataset.letter;
  delete body.dataset.letter;
  try {
    const found = (await get(url)).getElementById(body.id);
    if (found) body.replaceWith(document.importNode(found, true));
  } catch {
    body.dataset.letter = url; // the link in it still works
  }
}

document.addEventListener("toggle", (event) => {
  if (event.target.open && event.target.parentElement?.matches(".letter")) unfold(event.target);
}, true);

document.querySelector("#fresh a[href='']")?.addEventListener("click", (event) => {
  event.preventDefault();
  location.reload();
});

// --- the rules as text: what is wrong is said while one types, and its line is gone to ---

const editor = document.querySelector("textarea[data-check]");

function goTo(line, column) {
  const lines = editor.value.split("\n");
  const at = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  editor.focus();
  editor.setSelectionRange(at + column - 1, at + (lines[line - 1] ?? "").length);
  editor.scrollTop = (line - 5) * parseFloat(getComputedStyle(editor).lineHeight);
}

let looking = false;
let lookAgain = false;

async function look() {
  // One question at a time: a large file takes the server a second or two.
  lookAgain = looking;
  if (looking) return;
  looking = true;
  const body = new URLSearchParams({ token: editor.form.elements.token.value, text: editor.value });
  try {
    const answer = await fetch(editor.dataset.check, { method: "POST", body, credentials: "same-origin" });
    const found = answer.ok && !answer.redirected && page(await answer.text()).getElementById("found");
    if (found) document.getElementById("found").replaceChildren(...document.importNode(found, true).childNodes);
  } catch {
    // The next change, or the button, asks again.
  }
  looking = false;
  if (lookAgain) look();
}

if (editor) {
  let pause = 0;
  editor.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(look, 400);
  });
  document.getElementById("found").addEventListener("click", (event) => {
    const link = event.target.closest("[data-line]");
    if (!link) return;
    event.preventDefault();
    goTo(Number(link.dataset.line), Number(link.dataset.column));
  });
  if (Number(editor.dataset.start)) goTo(Number(editor.dataset.start), 1);
}

// --- a letter is kept while one types it, under the name that its form has ---

const writing = document.querySelector("form[data-autosave]");

function keepWriting(form) {
  const kept = document.getElementById("kept");
  let changed = false;
  let saving = null;
  let leaving = false;
  const save = async () => {
    if (!changed || saving || leaving) return;
    changed = false;
    const body = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (typeof value === "string") body.append(name, value);
    body.set("do", "autosave");
    saving = fetch(form.action, { method: "POST", body, credentials: "same-origin", redirect: "manual", keepalive: body.toString().length < 60000 });
    try {
      const answer = await saving;
      if (answer.status !== 204) throw new Error(String(answer.status));
      if (!changed) {  // what was typed meanwhile is in the next one
        kept.textContent = kept.dataset.kept;
        form.dataset.kept = "yes";
      }
    } catch {
      changed = true;
      kept.textContent = kept.dataset.lost;
    }
    saving = null;
  };
  form.addEventListener("input", () => { changed = true; form.dataset.kept = "no"; kept.textContent = ""; });
  form.addEventListener("focusout", save);
  form.addEventListener("submit", () => { leaving = true; });
  addEventListener("pagehide", save);
  document.addEventListener("visibilitychange", () => { if (document.hidden) save(); });
  setInterval(save, 2000);
}

if (writing) keepWriting(writing);

// --- the signature follows the chosen address, and templates come in where the cursor is ---

function typed(area) { area.dispatchEvent(new Event("input", { bubbles: true })); }

function changeSignature(form) {
  const from = form.elements.from, area = form.elements.text;
  if (!from || !area) return;
  let last = from.selectedOptions[0]?.dataset.signature || "";
  from.addEventListener("change", () => {
    const now = from.selectedOptions[0]?.dataset.signature || "", block = `-- \n${last}`;
    const at = last && now ? `\n${area.value}\n`.indexOf(`\n${block}\n`) : -1;
    if (at >= 0) area.setRangeText(`-- \n${now}`, at, at + block.length, "preserve");
    if (at >= 0 || !last) last = now;
    if (at >= 0) typed(area);
  });
}

function insertTemplates(form) {
  const button = document.getElementById("w-insert"), area = form.elements.text;
  let place = null;
  area.addEventListener("blur", () => { place = [area.selectionStart, area.selectionEnd]; });
  area.addEventListener("focus", () => { place = null; });
  button?.addEventListener("click", async (event) => {
    if (!place) return; // nobody has been in the text yet: below what is written, as without a script
    event.preventDefault();
    const [start, end] = place, body = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (typeof value === "string") body.append(name, value);
    body.set("do", "piece");
    try {
      const answer = await fetch(form.action, { method: "POST", body, credentials: "same-origin", redirect: "manual" });
      const piece = answer.ok ? await answer.json() : {};
      if (!piece.text) throw new Error(String(answer.status));
      area.focus();
      area.setRangeText(piece.text, start, end, "end");
      if (!form.elements.subject.value) form.elements.subject.value = piece.subject;
      typed(area);
    } catch {
      form.requestSubmit(button);
    }
  });
}

if (writing) {
  changeSignature(writing);
  insertTemplates(writing);
}

// --- keys ---

function step(by) {
  const all = rows();
  if (!all.length) return;
  const current = document.querySelector("#list .row.current a.subject");
  const focused = all.indexOf(document.activeElement);
  const at = focused >= 0 ? focused : all.indexOf(current);
  const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)];
  if (current && focused < 0) {
    if (next !== current) next.click();
    return;
  }
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

const help = document.getElementById("help");
const showHelp = () => { if (help && !help.open) help.showModal(); };
const press = (key) => {
  const link = document.querySelector(`[data-key="${key}"]`);
  if (link?.getAttribute("href")?.startsWith("#")) {
    document.querySelector(link.hash)?.focus();
  } else {
    link?.click();
  }
};
const keys = {
  ...Object.fromEntries([..."rxteowmzh"].map((key) => [key, () => press(key)])),
  c: () => pick(false),
  a: () => pick(true),
  j: () => step(1),
  k: () => step(-1),
  s: () => document.getElementById("q")?.focus(),
  "/": () => document.getElementById("q")?.focus(),
  "?": showHelp,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest("input:not(.pick), textarea, select, dialog")) return;
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

for (const button of document.querySelectorAll("[data-help]")) {
  button.hidden = false;
  button.addEventListener("click", showHelp);
}

document.querySelector("#list .row.current")?.scrollIntoView({ block: "nearest" });
listen();
