// Alarms of this desk: which takes the screen, which sounds, what title, icon and notification say.
// To silence stops the sound and nothing else (ISA-18.2); to take is another button.

import { fill, find, make, texts } from "/static/vorab.js";

export const SHAPES = { "life-safety": "◆", high: "▲", medium: "●", low: "○" };  // never by colour alone

const NOTICES = 5;  // more at once hide the screen, and none of them is read

let alarms = [];  // the most urgent first
let shown = null;  // the id of the one that the page shows
const silenced = new Map();  // id → the rank at which it was silenced: sounds again when it becomes more urgent
const aside = new Set();  // the list was wanted instead
const notices = new Map();  // id → what the operating system shows

const sounding = () => alarms.filter((one) => !(silenced.get(one.id) >= one.rank));

/** The tone that must be heard; "" = none. */
export const tone = () => sounding()[0]?.priority ?? "";

export const takesTheScreen = () => alarms.some((one) => !aside.has(one.id));

/** These are the alarms now.  Gives back the incident that must be shown instead of this one; null = it may stay. */
export function update(found, selected) {
  const before = new Set(alarms.map((one) => one.id));
  alarms = found;
  const ids = new Set(found.map((one) => one.id));
  for (const id of [...silenced.keys(), ...aside, ...notices.keys()]) if (!ids.has(id)) forget(id);
  const fresh = found.filter((one) => !before.has(one.id));
  fresh.slice(0, NOTICES).reverse().forEach(notify);  // the most urgent comes last, and on top
  const present = found.find((one) => one.id === selected);
  if (!present) return fresh.length || before.has(selected) ? found.find((one) => !aside.has(one.id))?.id ?? null : null;
  return fresh.find((one) => one.rank > present.rank)?.id ?? null;
}

function forget(id) {
  silenced.delete(id);
  aside.delete(id);
  withdraw(id);
}

function withdraw(id) {
  notices.get(id)?.close();
  notices.delete(id);
}

export function silence() {
  for (const one of alarms) silenced.set(one.id, one.rank);
}

/** The list comes back, or the alarm does. */
export function toggle() {
  if (takesTheScreen()) for (const one of alarms) aside.add(one.id);
  else aside.clear();
}

/** The alarm after this one. */
export function next(selected) {
  const at = alarms.findIndex((one) => one.id === selected);
  return alarms[(at + 1) % alarms.length]?.id ?? null;
}

export function drawBand(selected) {
  const at = Math.max(0, alarms.findIndex((one) => one.id === selected));
  const alarm = alarms[at];
  find("band").hidden = !alarm;
  document.body.classList.toggle("alarm", takesTheScreen());
  document.body.dataset.alarm = alarm?.priority ?? "";
  if (!alarm || shown === (shown = JSON.stringify([alarm, at, alarms.length, tone(), takesTheScreen()]))) return;
  find("band").className = `band ${alarm.priority}${tone() ? " sounding" : ""}`;
  find("band-shape").textContent = SHAPES[alarm.priority];
  find("band-what").textContent = `${alarm.priority_name}: ${alarm.what} · ${alarm.place.at(-1) ?? alarm.subject}`;
  find("band-count").textContent = alarms.length > 1 ? fill(texts.alarm_of, { number: at + 1, count: alarms.length }) : "";
  find("next").hidden = alarms.length < 2;
  find("set-aside").replaceChildren(takesTheScreen() ? texts.to_list : texts.to_alarm, " ", make("kbd", { "aria-hidden": "true" }, "esc"));
  find("silence-said").textContent = tone() ? texts.silence : texts.silenced;
  find("silence").disabled = !tone();
}

// --- outside the page ------------------------------------------------------------------------------------------------

/** A second line only: it may be off, or hidden by a full screen. */
function notify(alarm) {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  const [oldest] = notices.keys();
  if (notices.size >= NOTICES) withdraw(oldest);
  try {
    const body = `${alarm.place.join(" › ")}\n${alarm.status}`;
    const notice = new Notification(`${alarm.priority_name}: ${alarm.what}`, {
      body, tag: alarm.id, requireInteraction: true, silent: true, icon: "/static/icon-alarm.svg",
    });
    notice.addEventListener("click", () => window.focus());
    notices.set(alarm.id, notice);
  } catch {
    // a telephone's browser shows notifications of service workers only
  }
}

/** What the tab says, another word each second while an alarm is not taken. */
export function title(isLost, untaken) {
  const isOdd = Math.floor(Date.now() / 1000) % 2 === 1;
  const flashes = isLost || alarms.length > 0;
  icon(flashes && isOdd ? "/static/icon-alarm.svg" : "/static/icon.svg");
  document.title = words(isLost, isOdd, untaken);
}

function words(isLost, isOdd, untaken) {
  if (isLost) return `⚠ ${texts.lost} · ${texts.title}`;
  const count = untaken ? `(${untaken}) ` : "";
  const [alarm] = alarms;
  if (alarm && isOdd) return `${SHAPES[alarm.priority]} ${alarm.what} · ${alarm.place.at(-1) ?? alarm.subject}`;
  return `${count}${alarm ? texts.alarm : texts.desk} · ${texts.title}`;
}

function icon(address) {
  const link = document.querySelector("link[rel=icon]");
  if (link.getAttribute("href") !== address) link.setAttribute("href", address);
}
