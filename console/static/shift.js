// The shift of this page: sound is unlocked, one desk is chosen, and the server hears every 5 s that somebody looks.

import { ask, clock, fill, find, make, texts } from "/static/vorab.js";
import * as sound from "/static/sound.js";

const UNHEARD_MS = 15_000;  // after that the server waits for this desk no more

const page = uuid();
let desks = null;  // the names of those there are; null = not known yet
let shift = null;  // { desk, startedAt, heardAt }
let tell = () => {};  // the worker
let changed = () => {};

/** The name of the desk that this page looks at; "" = no shift is started. */
export const desk = () => shift?.desk ?? "";

export async function startShift(toWorker, whenChanged) {
  [tell, changed] = [toWorker, whenChanged];
  find("shift-start").addEventListener("click", begin);
  find("shift-end").addEventListener("click", end);
  find("shift-test").addEventListener("click", () => {
    sound.start(show);
    sound.test();
  });
  addEventListener("pagehide", end);
  desks = await ask("GET", "/desks");
  find("desk-name").replaceChildren(...desks.map((name) => make("option", { selected: name === localStorage.getItem("desk") }, name)));
  show();
}

async function begin() {
  const name = find("desk-name").value;
  localStorage.setItem("desk", name);
  shift = { desk: name, startedAt: Date.now(), heardAt: Date.now() };
  tell({ shift: { page, desk: name } });
  show();
  if ("Notification" in window && Notification.permission === "default") Notification.requestPermission().then(show, () => {});
  const on = sound.start(show);
  sound.test();
  await on;
  show();
}

function end() {
  if (!shift) return;
  shift = null;
  tell({ shift: null });
  sound.end();
  fetch(`/api/shift/${page}`, { method: "DELETE", keepalive: true, headers: { "content-type": "application/json" } }).catch(() => {});
  show();
}

/** What became of the last sign of life. */
export function beaten(status) {
  if (!shift) return;
  if (status === 204) shift.heardAt = Date.now();
  if (status === 422) end();  // the site has no such desk any more
}

/** The strip says how it stands; what is not as it should be comes first. */
export function show() {
  const isOn = shift !== null;
  find("shift").className = `shift ${isOn ? (faults().length ? "faulty" : "on") : "off"}`;
  find("shift").querySelector(".shape").textContent = isOn ? (faults().length ? "⚠" : "●") : "○";
  const sentence = sentences().join(" ");
  if (find("shift-said").textContent !== sentence) find("shift-said").textContent = sentence;
  find("which").hidden = isOn || !(desks?.length > 1);
  find("shift-start").hidden = isOn || !desks?.length;
  find("shift-end").hidden = find("shift-test").hidden = !isOn;
  changed();
}

function faults() {
  return [
    sound.isOn() ? "" : texts.sound_off,
    Date.now() - shift.heardAt < UNHEARD_MS ? "" : texts.shift_unheard,
  ].filter(Boolean);
}

function sentences() {
  if (!desks) return [];
  if (!shift) return [desks.length ? texts.no_shift : texts.no_desk];
  const isTold = "Notification" in window && Notification.permission === "granted";
  return [
    ...faults(), fill(texts.shift_on, { desk: shift.desk, time: clock(shift.startedAt) }), isTold ? "" : texts.not_notified,
  ].filter(Boolean);
}

/** Also where the browser has no crypto.randomUUID: on plain http under another name than localhost. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
