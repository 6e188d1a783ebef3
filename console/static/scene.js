// The place of the shown incident: its plan, its camera, and the picture of when it was found.

import { SHAPES } from "/static/alarm.js";
import { camera } from "/static/camera.js";
import { plan } from "/static/plan.js";
import { clock, find, fill, make, texts } from "/static/vorab.js";

let key = "";  // of what is there: it stays while the rest of the thread changes
let parts = [];

export function drawScene(thread, isOpen) {
  const { incident } = thread;
  const wanted = JSON.stringify([incident.id, incident.priority, thread.plan, thread.camera && isOpen]);
  if (key !== wanted) {
    closeScene();
    key = wanted;
    const name = incident.place.at(-1) ?? incident.subject;
    const drawing = thread.plan && plan(thread.plan, name, SHAPES[incident.priority], incident.priority);
    const live = thread.camera && isOpen && camera(thread.place, name);
    parts = [drawing, live].filter(Boolean);
    find("scene").replaceChildren(...parts.map((one) => one.element));
    find("scene").hidden = parts.length === 0 && !thread.picture;
    drawing?.shown();
  }
  drawFound(incident.id, thread.picture);
}

function drawFound(incident, picture) {
  const present = find("found");
  if (!picture || present?.dataset.is === JSON.stringify(picture)) return;
  const element = make("figure", { id: "found", class: "found", "data-is": JSON.stringify(picture) },
    picture.taken_at ? make("img", { src: `/api/incidents/${encodeURIComponent(incident)}/picture`, alt: texts.found_picture }) : "",
    make("figcaption", {}, ...caption(picture)));
  if (present) present.replaceWith(element);
  else find("scene").append(element);
}

function caption({ taken_at: at, sha256, reason }) {
  if (!at) return [reason ? fill(texts.found_none, { reason }) : texts.found_waits];
  return [make("strong", {}, fill(texts.found_at, { time: clock(at) })), " ",
    make("code", { title: `SHA-256 ${sha256}` }, sha256.slice(0, 16))];
}

export function tickScene() {
  for (const one of parts) one.tick?.();
}

export function closeScene() {
  for (const one of parts) one.close();
  [key, parts] = ["", []];
  find("scene").replaceChildren();
  find("scene").hidden = true;
}
