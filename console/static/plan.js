// The floor plan with the place on it.  Units are those of the drawing: x from the left, y from the top.

import "/static/vendor/leaflet.js";
import { fill, make, texts } from "/static/vorab.js";

const { leaflet: L } = globalThis;
const isCalm = matchMedia("(prefers-reduced-motion: reduce)");

/** The plan, drawn when `shown()` is called: it must be on the page to know its size. */
export function plan({ floor, width, height, x, y }, name, shape, priority) {
  const element = make("div", { class: "plan", role: "group", "aria-label": fill(texts.plan_of, { place: name }) });
  const whole = [[0, 0], [height, width]];
  let map = null;

  function shown() {
    map = L.map(element, {
      crs: L.CRS.Simple, attributionControl: false, keyboard: false, minZoom: -6, maxZoom: 4, zoomSnap: 0, zoomDelta: 0.5,
      scrollWheelZoom: false, maxBounds: [[-height / 2, -width / 2], [height * 1.5, width * 1.5]], zoomAnimation: !isCalm.matches, fadeAnimation: false, markerZoomAnimation: !isCalm.matches,
    });
    map.zoomControl.setPosition("bottomright");
    L.imageOverlay(`/api/plans/${encodeURIComponent(floor)}`, whole, { alt: "" }).addTo(map);
    if (x !== null) mark();
    fit();
  }

  function mark() {
    const sign = make("span", { class: "sign", "aria-hidden": "true" }, shape);
    const here = make("div", {}, make("span", { class: "ring", "aria-hidden": "true" }), sign, make("span", { class: "name" }, name));
    const icon = L.divIcon({ className: `here ${priority}`, html: here, iconSize: [0, 0] });
    L.marker([height - y, x], { icon, keyboard: false, interactive: false }).addTo(map);
  }

  function fit() {
    map.invalidateSize({ animate: false });
    map.fitBounds(whole, { animate: false });
  }

  const sized = new ResizeObserver(() => { if (map && element.clientWidth) fit(); });
  sized.observe(element);
  return {
    element,
    shown,
    close() {
      sized.disconnect();
      map?.remove();
    },
  };
}
