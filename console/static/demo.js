// The simulator: devices by place with their buttons, and what they have published.

import { ask, clock, find, make, showLink, startBar, texts } from "/static/vorab.js";

function show({ devices, published }) {
  const places = Map.groupBy(devices, (device) => device.place);
  const focused = document.activeElement?.dataset?.press;
  find("places").replaceChildren(...[...places].map(([place, inside]) =>
    make("section", { class: "where" }, make("h2", {}, place), make("ul", {}, ...inside.map(card)))));
  if (focused) document.querySelector(`[data-press="${CSS.escape(focused)}"]`)?.focus();
  find("published").replaceChildren(...published.map(message));
  find("nothing-out").hidden = published.length > 0;
}

function card(device) {
  return make("li", { class: `device ${device.kind}${device.alarming ? " alarming" : ""}` },
    make("p", { class: "kind" }, device.kind),
    make("h3", {}, device.id),
    make("p", { class: "state" }, device.state),
    make("div", { class: "buttons" }, ...device.actions.map((action) =>
      make("button", { "data-press": `${device.id} ${action.id}`, onclick: () => press(device, action) }, action.label))));
}

function message(one) {
  return make("li", {}, make("time", { datetime: one.at }, clock(one.at)),
    make("code", { class: "topic" }, one.topic), one.retained ? make("span", { class: "tag" }, texts.retained) : "",
    make("code", { class: "payload" }, one.payload));
}

async function press(device, action) {
  await refresh("POST", `/demo/devices/${encodeURIComponent(device.id)}/${encodeURIComponent(action.id)}`);
}

async function refresh(method = "GET", path = "/demo/devices") {
  try {
    show(await ask(method, path));
    showLink(true);
  } catch {
    showLink(false);
  }
}

startBar();
refresh();
setInterval(refresh, 2000);
