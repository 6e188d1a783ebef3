// The simulator: stories, devices by place with their buttons, and what they have published.

import { ask, clock, find, make, showLink, startBar, texts } from "/static/vorab.js";

let written = "";  // what the page shows now: what has not changed is not written again, so that no click is lost

function show({ stories, devices, published }) {
  const now = JSON.stringify([stories, devices, published]);
  if (now === written) return;
  written = now;
  const focused = document.activeElement?.dataset?.press;
  find("stories").replaceChildren(...stories.map(story));
  const places = Map.groupBy(devices, (device) => device.place);
  find("places").replaceChildren(...[...places].map(([place, inside]) =>
    make("section", { class: "where" }, make("h3", {}, place), make("ul", {}, ...inside.map(card)))));
  if (focused) document.querySelector(`[data-press="${CSS.escape(focused)}"]`)?.focus();
  find("published").replaceChildren(...published.map(message));
  find("nothing-out").hidden = published.length > 0;
}

function story({ id, label, line }) {
  const path = `/demo/stories/${encodeURIComponent(id)}`;
  return make("li", {}, make("button", { class: `story ${id}`, "data-press": path, onclick: () => press(path) },
    make("strong", {}, label), make("span", {}, line)));
}

function card(device) {
  return make("li", { class: `device ${device.kind}${device.alarming ? " alarming" : ""}` },
    make("p", { class: "kind" }, device.kind),
    make("h4", {}, device.id),
    make("p", { class: "state" }, device.state),
    make("div", { class: "buttons" }, ...device.actions.map((action) => button(device, action))));
}

function button(device, action) {
  const path = `/demo/devices/${encodeURIComponent(device.id)}/${encodeURIComponent(action.id)}`;
  return make("button", { "data-press": path, onclick: () => press(path) }, action.label);
}

function message(one) {
  return make("li", {}, make("time", { datetime: one.at }, clock(one.at)),
    make("code", { class: "topic" }, one.topic), one.retained ? make("span", { class: "tag" }, texts.retained) : "",
    make("code", { class: "payload" }, one.payload));
}

const press = (path) => refresh("POST", path);

/** What was refused stands on the page until something works; only when nobody answers is the link lost. */
async function refresh(method = "GET", path = "/demo/devices") {
  try {
    show(await ask(method, path));
    if (method === "POST") find("refused").textContent = "";
    showLink(true);
  } catch (fault) {
    if (fault.status && method === "POST") find("refused").textContent = texts.refused.replace("{reason}", fault.message);
    else showLink(false);
  }
}

startBar();
refresh();
setInterval(refresh, 2000);
