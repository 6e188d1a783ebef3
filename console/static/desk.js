// The desk: open incidents, live; the thread of one of them; take and done.

import { ask, clock, find, make, showLink, startBar, texts } from "/static/vorab.js";

const SILENT_AFTER_MS = 12_000;  // the server beats every 5 s
const STEADY_MS = 700;  // nobody means to take what has just jumped under his finger
const SHAPES = { "life-safety": "◆", high: "▲", medium: "●", low: "○" };  // never by colour alone

const incidents = new Map();  // id → as the API lists it
const drawn = new Map();  // id → the row, and of what it was drawn
const waiting = new Map();  // "incident meaning" → what was clicked, until the incident has moved
let selected = null;
let isPicked = false;  // by a person; until then the most urgent one is shown
let jumpedAt = 0;  // when another one was shown without a person's doing
let people = [];
let ahead = 0;  // ms by which the server's clock is ahead of ours
let stream = null;
let heardAt = 0;
let threadAsked = 0;
let threadShown = "";  // as JSON: the same is not drawn twice
let threadTimer = 0;
let isLoading = false;

// --- the link --------------------------------------------------------------------------------------------------------

async function load() {
  const [open, resolved, known] = await Promise.all([
    ask("GET", "/incidents?state=open"), ask("GET", "/incidents?state=resolved"), ask("GET", "/people"),
  ]);
  people = known;
  ahead = Date.parse(open.now) - Date.now();
  incidents.clear();
  drawn.clear();
  for (const incident of [...resolved.incidents, ...open.incidents]) incidents.set(incident.id, incident);
  if (!incidents.has(selected)) [selected, isPicked] = [null, false];
  show();
  showThread();
  return open.position;
}

function follow(after) {
  stream?.close();
  stream = new EventSource(`/api/stream?after=${after}`);
  const on = (name, act) => stream.addEventListener(name, (event) => { heard(); act(event); });
  on("beat", () => {});
  on("incident", (event) => changed(JSON.parse(event.data)));
  on("touched", () => showThreadSoon());
  on("resync", () => load().catch(lost));
  stream.addEventListener("error", lost);
}

function heard() {
  heardAt = Date.now();
  showLink(true);
  showTitle();
}

function lost() {
  showLink(false);
  showTitle();
}

async function watch() {
  const isGone = stream === null || stream.readyState === EventSource.CLOSED;
  if (isLoading || (!isGone && Date.now() - heardAt < SILENT_AFTER_MS)) return;
  isLoading = true;
  if (stream) lost();
  try {
    follow(await load());
    heardAt = Date.now();
  } catch {
    lost();  // the next tick tries again
  } finally {
    isLoading = false;
  }
}

// --- the lists -------------------------------------------------------------------------------------------------------

function changed(incident) {
  incidents.set(incident.id, incident);
  for (const key of waiting.keys()) if (key.startsWith(incident.id)) waiting.delete(key);
  show();
  if (incident.id === selected) showThreadSoon();
  find("news").textContent = `${incident.priority_name}: ${incident.what}, ${incident.place.at(-1) ?? incident.subject}: ${incident.status}`;
}

const isOpen = (incident) => incident.state !== "resolved";

function urgency(one, other) {
  return other.rank - one.rank
    || (one.state === "taken") - (other.state === "taken")
    || one.since.localeCompare(other.since);
}

function listed() {
  const all = [...incidents.values()];
  const resolved = all.filter((one) => !isOpen(one)).sort((a, b) => b.resolved_at.localeCompare(a.resolved_at));
  return [all.filter(isOpen).sort(urgency), resolved];
}

function show() {
  const [open, resolved] = listed();
  if (!isPicked && open.length > 0 && selected !== open[0].id) {
    [selected, jumpedAt] = [open[0].id, Date.now()];
    showThread();
  }
  fill("open", open);
  fill("resolved", resolved);
  find("quiet").hidden = open.length > 0;
  find("nothing-resolved").hidden = resolved.length > 0;
  showTitle();
  tick();
}

/** Only what has changed is drawn anew: a row stays the same while a finger is on it. */
function fill(id, list) {
  const rows = list.map(row);
  find(`${id}-count`).textContent = rows.length || "";
  if (rows.length === find(id).children.length && rows.every((one, at) => one === find(id).children[at])) return;
  const focused = document.activeElement?.dataset?.id;
  find(id).replaceChildren(...rows);
  if (focused) find(id).querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
}

function row(incident) {
  const isSelected = incident.id === selected;
  const known = drawn.get(incident.id);
  if (known?.incident === incident && known.isSelected === isSelected) return known.element;
  const element = drawRow(incident);
  drawn.set(incident.id, { incident, isSelected, element });
  return element;
}

function drawRow(incident) {
  return make("li", {},
    make("button", {
      class: `row ${incident.priority} ${incident.state}`, "data-id": incident.id,
      "aria-current": incident.id === selected ? "true" : null, onclick: () => select(incident.id),
    },
    make("span", { class: "priority" }, make("span", { class: "shape", "aria-hidden": "true" }, SHAPES[incident.priority]),
      incident.priority_name),
    make("span", { class: "what" }, make("strong", {}, incident.what),
      make("span", { class: "finding" }, incident.finding)),
    make("span", { class: "place" }, where(incident)),
    since(incident),
    make("span", { class: "status" }, incident.status)));
}

const where = (incident) => [...incident.place.slice(1), incident.subject].join(" › ");

function since(incident) {
  if (!isOpen(incident)) return make("time", { class: "since", datetime: incident.resolved_at }, clock(incident.resolved_at));
  return make("time", { class: "since", datetime: incident.since, "data-since": incident.since });
}

function lasted(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (hours) return `${hours} h ${String(minutes).padStart(2, "0")} min`;
  return minutes ? `${minutes} min ${String(rest).padStart(2, "0")} s` : `${rest} s`;
}

function tick() {
  const now = Date.now() + ahead;
  for (const one of document.querySelectorAll("[data-since]")) one.textContent = lasted(now - Date.parse(one.dataset.since));
}

function showTitle() {
  if (!find("lost").hidden) {
    document.title = `⚠ ${texts.lost} · ${texts.title}`;
    return;
  }
  const untaken = [...incidents.values()].filter((one) => one.state === "triggered").length;
  document.title = `${untaken ? `(${untaken}) ` : ""}${texts.desk} · ${texts.title}`;
}

// --- the thread ------------------------------------------------------------------------------------------------------

function select(id) {
  [selected, isPicked] = [id, true];
  show();
  showThread();
}

/** Many changes in a moment are shown once. */
function showThreadSoon() {
  threadTimer ||= setTimeout(showThread, 100);
}

async function showThread() {
  clearTimeout(threadTimer);
  threadTimer = 0;
  if (selected === null) {
    threadShown = "";
    find("thread").replaceChildren(make("p", { class: "pick" }, texts.pick));
    return;
  }
  const asked = ++threadAsked;
  try {
    const thread = await ask("GET", `/incidents/${encodeURIComponent(selected)}`);
    if (asked === threadAsked) drawThread(thread);
  } catch (error) {
    if (asked === threadAsked) say(texts.refused.replace("{reason}", error.message));
  }
}

function drawThread(thread) {
  const { incident } = thread;
  if (threadShown === (threadShown = JSON.stringify(thread))) return showWaiting();
  const isOpened = new Set([...document.querySelectorAll("#thread details[open]")].map((one) => one.dataset.key));
  find("thread").replaceChildren(
    make("header", { class: `head ${incident.priority} ${incident.state}` },
      make("p", { class: "priority" }, make("span", { class: "shape", "aria-hidden": "true" }, SHAPES[incident.priority]),
        `${incident.priority_name} · ${incident.subject}`),
      make("h1", {}, incident.what, incident.finding ? make("span", { class: "finding" }, incident.finding) : null),
      make("p", { class: "place" }, incident.place.join(" › ")),
      make("p", { class: "status" }, incident.status, " · ", texts.since, " ", clock(incident.since),
        isOpen(incident) ? make("span", {}, " · ", since(incident)) : null)),
    isOpen(incident) ? buttons(incident) : "",
    make("p", { id: "said", class: "said", role: "status" }),
    facts(thread),
    make("ol", { class: "lines" }, ...story(thread).map(([key, draw]) => draw(isOpened.has(key)))));
  tick();
  showWaiting();
}

function facts(thread) {
  const rows = [["action", thread.action], ["cause", thread.cause], ["consequence", thread.consequence],
    ["note", thread.incident.note], ["code", thread.code]];
  return make("dl", { class: "facts" }, ...rows.filter(([, text]) => text)
    .flatMap(([name, text]) => [make("dt", {}, texts[name]), make("dd", { class: name }, text)]));
}

/** Events and messages in one thread, in the order of time. */
function story(thread) {
  const keyed = (number) => `${thread.incident.id} ${number}`;
  const lines = thread.lines.map((line, number) => [line.at, keyed(number), (open) => eventLine(line, keyed(number), open)]);
  const messages = thread.messages.map((message) => [message.at, "", () => messageLine(message)]);
  return [...lines, ...messages].sort((a, b) => a[0].localeCompare(b[0])).map(([, key, draw]) => [key, draw]);
}

function eventLine(line, key, open) {
  const why = line.details.length
    ? make("details", { "data-key": key, open }, make("summary", {}, line.text),
      make("ul", {}, ...line.details.map((detail) => make("li", {}, detail))))
    : line.text;
  return make("li", { class: `event ${line.kind}` }, make("time", { datetime: line.at }, clock(line.at)), make("div", {}, why));
}

function messageLine(message) {
  return make("li", { class: `message ${message.state}` }, make("time", { datetime: message.at }, clock(message.at)),
    make("div", {},
      make("p", {}, make("strong", {}, message.person), ` ${message.told} · ${message.channel} ${message.address}`,
        make("span", { class: "receipt" }, message.receipt)),
      message.text ? make("blockquote", {}, message.text) : ""));
}

// --- take and done ---------------------------------------------------------------------------------------------------

function buttons(incident) {
  const chosen = localStorage.getItem("as") ?? "desk";
  const as = make("select", { id: "as", "aria-label": texts.as, onchange: () => localStorage.setItem("as", as.value) },
    ...people.map((one) => make("option", { value: one.id, selected: one.id === chosen }, one.name)));
  const button = (meaning, text, key) => make("button", {
    class: meaning === "taken" && incident.state === "triggered" ? "primary" : "",
    "data-meaning": meaning, "aria-keyshortcuts": key, onclick: () => answer(meaning),
  }, text);
  return make("div", { class: "actions" },
    incident.state === "triggered" ? button("taken", texts.take, "t") : "",
    button("done", texts.done, "d"), make("label", { for: "as" }, texts.as), as);
}

async function answer(meaning) {
  const incident = incidents.get(selected);
  const button = find("thread").querySelector(`[data-meaning="${meaning}"]`);
  if (!incident || !button || button.disabled || Date.now() - jumpedAt < STEADY_MS) return;
  isPicked = true;
  const key = `${incident.id} ${meaning}`;
  const click = waiting.get(key) ?? { id: uuid() };  // a repeated click is the same one
  waiting.set(key, click);
  showWaiting();
  try {
    await ask("POST", `/incidents/${encodeURIComponent(incident.id)}/answers`, { id: click.id, person: find("as").value, meaning });
    setTimeout(() => { if (waiting.get(key) === click) say(texts.not_applied); }, 4000);
  } catch (error) {
    waiting.delete(key);
    showWaiting();
    say(texts.refused.replace("{reason}", error.message));
  }
}

/** Also where the browser has no crypto.randomUUID: on plain http under another name than localhost. */
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

function showWaiting() {
  for (const button of find("thread").querySelectorAll("[data-meaning]")) {
    const isWaiting = waiting.has(`${selected} ${button.dataset.meaning}`);
    button.disabled = isWaiting;
    button.textContent = isWaiting ? texts.sending : texts[button.dataset.meaning === "taken" ? "take" : "done"];
  }
}

function say(text) {
  const said = find("said");
  if (said) said.textContent = text;
}

// --- keys ------------------------------------------------------------------------------------------------------------

function move(by) {
  const ids = listed().flat().map((one) => one.id);
  const next = ids[Math.min(ids.length - 1, Math.max(0, ids.indexOf(selected) + by))];
  if (next === undefined) return;
  select(next);
  document.querySelector(`.row[data-id="${CSS.escape(next)}"]`)?.scrollIntoView({ block: "nearest" });
}

const KEYS = { j: () => move(1), k: () => move(-1), t: () => answer("taken"), d: () => answer("done") };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  KEYS[event.key]?.();
});

find("thread").addEventListener("pointerdown", () => { isPicked = true; });

startBar();
watch();
setInterval(watch, 1000);
setInterval(tick, 1000);
