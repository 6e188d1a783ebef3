// The desk: open incidents, live; the thread of one of them with its place; take and done; alarms that take the screen.

import * as alarm from "/static/alarm.js";
import { SHAPES } from "/static/alarm.js";
import { closeScene, drawScene, tickScene } from "/static/scene.js";
import * as shift from "/static/shift.js";
import * as sound from "/static/sound.js";
import * as talk from "/static/talk.js";
import { ask, clock, fill, find, make, showLink, startBar, texts, whenSignedOut } from "/static/vorab.js";

const SILENT_AFTER_MS = 12_000;  // the server beats every 5 s
const RENEW_MS = 1_000;  // everything is read anew no more often
const OPEN_LISTED = 500, RESOLVED_LISTED = 200;  // as the API does; a browser draws no more of them in time
const STEADY_MS = 700;  // nobody means to take what has just jumped under his finger

const incidents = new Map();  // id → as the API lists it
const drawn = new Map();  // id → the row, and of what it was drawn
const told = new Set();  // ids of the alarms of which the worker knows that they are shown
const waiting = new Map();  // "incident meaning" → what was clicked, until the incident has moved
let selected = null;
let isPicked = false;  // by a person, or by an alarm; until then the most urgent one is shown
let jumpedAt = 0;  // when another one was shown without a person's doing
let ahead = 0;  // ms by which the server's clock is ahead of ours
let worker = null;
let isGone = true;  // there is no stream
let heardAt = 0;
let isLoading = false;
let isStale = false;  // there is more than we know
let loadedAt = 0;
let more = 0;  // open ones that are not listed
let isSignedOut = false;
let isLossSilenced = false;
let threadAsked = 0;
let threadShown = "";  // as JSON: the same is not drawn twice
let threadTimer = 0;

// --- the link --------------------------------------------------------------------------------------------------------

function startWorker() {
  worker = new Worker("/static/desk-worker.js", { type: "module" });
  worker.addEventListener("message", ({ data }) => HEARD[data.kind](data));
  worker.addEventListener("error", () => {
    worker.terminate();
    isGone = true;
    lost();
    setTimeout(startWorker, 3000);
  });
}

const HEARD = {
  beat: () => { heard(); isStale ||= more > 0; },
  incidents: ({ incidents: found }) => { worker.postMessage({ drawn: true }); heard(); changed(found); },
  touched: () => { heard(); showThreadSoon(); },
  resync: () => { heard(); told.clear(); isStale = true; watch(); },
  lost: ({ isClosed }) => { isGone = isClosed; lost(); },
  shift: ({ status }) => { shift.beaten(status); },
  tick: () => { worker.postMessage({ alive: true }); tick(); },
};

async function load() {
  const [open, resolved, people] = await Promise.all([
    ask("GET", "/incidents?state=open"), ask("GET", "/incidents?state=resolved"), ask("GET", "/people"),
  ]);
  ahead = Date.parse(open.now) - Date.now();
  const present = open.more ? incidents.get(selected) : null;  // it may be one of those that are not listed
  incidents.clear();
  drawn.clear();
  if (present && isOpen(present)) incidents.set(selected, present);
  for (const incident of [...resolved.incidents, ...open.incidents]) incidents.set(incident.id, incident);
  if (!incidents.has(selected)) [selected, isPicked] = [null, false];
  more = open.more;
  drawPeople(people);
  show();
  showThread();
  return open.position;
}

function heard() {
  heardAt = Date.now();
  isLossSilenced = false;
  showLink(true);
  showState();
}

function lost() {
  showLink(false, isSignedOut ? [texts.signed_out, texts.signed_out_more] : undefined);
  find("sign-in-again").hidden = !isSignedOut;
  showState();
}

async function watch() {
  const isHeard = !isGone && Date.now() - heardAt < SILENT_AFTER_MS;
  if (isLoading || isSignedOut || (isHeard && !(isStale && Date.now() - loadedAt > RENEW_MS))) return;
  [isLoading, isStale] = [true, false];
  if (!isHeard) told.clear();
  if (heardAt && !isHeard) lost();
  try {
    worker.postMessage({ follow: await load() });  // from where we read: what came meanwhile comes again
    isGone = false;
    heard();
  } catch {
    isStale = true;
    lost();  // the next tick tries again
  } finally {
    [isLoading, loadedAt] = [false, Date.now()];
  }
}

// --- the lists -------------------------------------------------------------------------------------------------------

function changed(found) {
  for (const incident of found) {
    incidents.set(incident.id, incident);
    told.delete(incident.id);
    for (const key of waiting.keys()) if (key.startsWith(incident.id)) waiting.delete(key);
  }
  show();
  if (found.some((one) => one.id === selected)) showThreadSoon();
  const news = found.reduce((one, other) => (other.rank >= one.rank ? other : one));
  find("news").textContent = `${news.priority_name}: ${news.what}, ${news.place.at(-1) ?? news.subject}: ${news.status}`;
}

/** How many of these are not listed any more: all but the one that is looked at. */
function leftOut(list) {
  const gone = list.filter((one) => one.id !== selected);
  for (const { id } of gone) for (const known of [incidents, drawn, told]) known.delete(id);
  return gone.length;
}

const isOpen = (incident) => incident.state !== "resolved";
const isAlarm = (incident) => incident.state === "triggered" && incident.desks.includes(shift.desk());

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
  const [allOpen, allResolved] = listed();
  const [open, resolved] = [allOpen.slice(0, OPEN_LISTED), allResolved.slice(0, RESOLVED_LISTED)];
  more += leftOut(allOpen.slice(OPEN_LISTED));  // until all is read anew, at the next beat
  leftOut(allResolved.slice(RESOLVED_LISTED));
  const alarms = open.filter(isAlarm);
  const urgent = alarm.update(alarms, selected);
  if (urgent) jump(urgent);
  else if (!isPicked && open.length > 0 && selected !== open[0].id) {
    jump(open[0].id);
    isPicked = false;
  }
  fillRows("open", open);
  fillRows("resolved", resolved);
  find("open-count").textContent = open.length + more || "";
  find("resolved-count").textContent = resolved.length || "";
  find("more").hidden = more === 0;
  find("more").textContent = fill(texts.more, { count: more });
  find("quiet").hidden = open.length > 0;
  find("nothing-resolved").hidden = resolved.length > 0;
  for (const one of alarms.filter(({ id }) => !told.has(id))) {
    told.add(one.id);
    worker.postMessage({ shown: one.id });
  }
  tick();
}

/** Another one is shown, without a person's doing. */
function jump(id) {
  [selected, isPicked, jumpedAt] = [id, true, Date.now()];
  setTimeout(showWaiting, STEADY_MS);
  showThread();
}

/** Only what has changed is drawn anew: a row stays the same while a finger is on it. */
function fillRows(id, list) {
  const rows = list.map(row);
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
  tickScene();
  shift.show();
  watch();
}

/** What is seen of alarms and of the link, and what is heard. */
function showState() {
  const isLost = !find("lost").hidden;
  const lossSounds = isLost && shift.desk() !== "" && !isLossSilenced;
  sound.play(lossSounds ? "lost" : shift.desk() && alarm.tone());
  find("lost-silence").hidden = !lossSounds;
  alarm.drawBand(selected);
  alarm.title(isLost, [...incidents.values()].filter((one) => one.state === "triggered").length);
}

function silence() {
  if (find("lost-silence").hidden) alarm.silence();
  else isLossSilenced = true;
  showState();
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
  const isThere = selected !== null;
  find("pick").hidden = isThere;
  find("case").hidden = find("lines").hidden = !isThere;
  if (!isThere) {
    threadShown = "";
    return closeScene();
  }
  const asked = ++threadAsked;
  try {
    const thread = await ask("GET", `/incidents/${encodeURIComponent(selected)}`);
    if (asked === threadAsked) drawThread(thread);
  } catch (error) {
    if (asked === threadAsked) say(fill(texts.refused, { reason: error.message }));
  }
}

function drawThread(thread) {
  const { incident } = thread;
  if (threadShown === (threadShown = JSON.stringify(thread))) return showWaiting();
  const isOpened = new Set([...document.querySelectorAll("#thread details[open]")].map((one) => one.dataset.key));
  say("");
  find("head").className = `head ${incident.priority} ${incident.state}`;
  find("head").replaceChildren(...head(incident));
  drawActions(thread);
  find("crew").replaceChildren(crew(thread));
  find("facts").replaceChildren(facts(thread));
  find("lines").replaceChildren(...story(thread).map(([key, draw]) => draw(isOpened.has(key))));
  drawScene(thread, isOpen(incident));
  tick();
  showWaiting();
}

function head(incident) {
  return [
    make("p", { class: "priority" }, make("span", { class: "shape", "aria-hidden": "true" }, SHAPES[incident.priority]),
      `${incident.priority_name} · ${incident.subject} `,
      make("span", { class: "since" }, " · ", texts.since, " ", clock(incident.since), isOpen(incident) ? make("span", {}, " · ", since(incident)) : "")),
    make("h1", {}, incident.what, incident.finding ? make("span", { class: "finding" }, incident.finding) : null),
    make("p", { class: "place" }, incident.place.join(" › ")),
    make("p", { class: "status" }, incident.status),
  ];
}

/** Who goes, and of which role somebody is still missing. */
function crew({ going, incident }) {
  if (going.length + incident.missing.length === 0) return "";
  return make("ul", { class: "crew" },
    ...going.map((one) => make("li", { class: "goes" }, make("span", { "aria-hidden": "true" }, "✓ "), make("strong", {}, one.name),
      ` · ${one.roles.join(", ")} · `,
      one.arrived_at ? fill(texts.there_since, { time: clock(one.arrived_at) }) : fill(texts.goes_since, { time: clock(one.at) }))),
    ...incident.missing.map((role) => make("li", { class: "missing" }, make("span", { "aria-hidden": "true" }, "✗ "),
      make("strong", {}, role), ` · ${texts.nobody_yet}`)));
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

// --- take, done, talk ------------------------------------------------------------------------------------------------

/** The buttons themselves stay: a click that began on one ends on it, whatever arrives meanwhile. */
function drawActions({ incident, talk: hasSpeaker }) {
  find("actions").hidden = !isOpen(incident);
  find("take").hidden = incident.state !== "triggered";
  find("take").classList.toggle("primary", incident.state === "triggered");
  find("talk").hidden = !hasSpeaker;
}

function drawPeople(people) {
  const chosen = localStorage.getItem("as") ?? "desk";
  find("as").replaceChildren(...people.map((one) => make("option", { value: one.id, selected: one.id === chosen }, one.name)));
}

const button = (meaning) => find(meaning === "taken" ? "take" : "done");

async function answer(meaning) {
  const incident = incidents.get(selected);
  if (!incident || !isOpen(incident) || button(meaning).hidden || button(meaning).disabled || isJumping()) return;
  isPicked = true;
  const key = `${incident.id} ${meaning}`;
  const click = waiting.get(key) ?? { id: shift.uuid() };  // a repeated click is the same one
  waiting.set(key, click);
  showWaiting();
  try {
    await ask("POST", `/incidents/${encodeURIComponent(incident.id)}/answers`, { id: click.id, person: find("as").value, meaning });
    setTimeout(() => { if (waiting.get(key) === click) say(texts.not_applied); }, 4000);
  } catch (error) {
    waiting.delete(key);
    showWaiting();
    say(fill(texts.refused, { reason: error.message }));
  }
}

/** Nobody has had the time to read it, and nobody's finger is meant for it. */
const isJumping = () => Date.now() - jumpedAt < STEADY_MS;

function showWaiting() {
  for (const [meaning, text] of [["taken", texts.take], ["done", texts.done]]) {
    const isWaiting = waiting.has(`${selected} ${meaning}`);
    button(meaning).disabled = isWaiting || isJumping();
    button(meaning).firstElementChild.textContent = isWaiting ? texts.sending : text;
  }
}

function say(text) {
  find("said").textContent = text;
}

function openTalk() {
  const incident = incidents.get(selected);
  if (!incident || find("talk").hidden || talk.isOpen()) return;
  alarm.silence();  // who speaks there has heard it
  showState();
  talk.open(incident.id, incident.place.at(-1) ?? incident.subject);
}

// --- keys ------------------------------------------------------------------------------------------------------------

function move(by) {
  const ids = listed().flat().map((one) => one.id);
  const next = ids[Math.min(ids.length - 1, Math.max(0, ids.indexOf(selected) + by))];
  if (next === undefined) return;
  select(next);
  document.querySelector(`.row[data-id="${CSS.escape(next)}"]`)?.scrollIntoView({ block: "nearest" });
}

function nextAlarm() {
  const id = alarm.next(selected);
  if (id) select(id);
}

function toggleAlarm() {
  alarm.toggle();
  showState();
}

const KEYS = {
  j: () => move(1), k: () => move(-1), t: () => answer("taken"), d: () => answer("done"), s: silence, n: nextAlarm,
  Escape: toggleAlarm, "?": () => find("keys").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || find("keys").open || event.target.closest("input, select, textarea")) return;
  if (event.key === " ") return space(event);
  KEYS[event.key]?.();
});

/** Held, it speaks; pressed while no line is open, it opens one.  On a button it is the browser's own key. */
function space(event) {
  if (event.target.closest("button:not(#push), a, summary")) return;
  event.preventDefault();
  if (event.repeat) return;
  if (talk.isOpen()) talk.push(true);
  else openTalk();
}

document.addEventListener("keyup", (event) => { if (event.key === " ") talk.push(false); });

for (const meaning of ["taken", "done"]) button(meaning).addEventListener("click", () => answer(meaning));
find("talk").addEventListener("click", openTalk);
find("silence").addEventListener("click", silence);
find("lost-silence").addEventListener("click", silence);
find("next").addEventListener("click", nextAlarm);
find("set-aside").addEventListener("click", toggleAlarm);
find("as").addEventListener("change", () => localStorage.setItem("as", find("as").value));
find("thread").addEventListener("pointerdown", () => { isPicked = true; });

whenSignedOut(() => {
  if (!shift.desk()) return location.assign("/sign-in");
  isSignedOut = true;  // a page that vanished would be a desk that nobody knows to be blind
  lost();
});

startBar();
startWorker();
talk.startTalk();
shift.startShift((message) => worker.postMessage(message), shiftChanged).catch(() => {});
watch();
setInterval(tick, 1000);  // should the worker be gone

let shiftShown = "";

/** With the shift alarms come and go. */
function shiftChanged() {
  if (shiftShown !== (shiftShown = shift.desk())) {
    told.clear();
    show();
  }
  showState();
}
