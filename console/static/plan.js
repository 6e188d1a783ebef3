// The floor plan with the place on it.  Units are those of the drawing: x from the left, y from the top.

import "/static/vendor/leaflet.js";
import { fill, make, texts } from "/static/vorab.js";

const { leaflet: L } = globalThis;
const isCalm = matchMedia("(prefers-reduced-motion: reduce)");
const AROUND = 0.45;  // of the drawing, on each side of the place, is shown at first

/** The plan, drawn when `shown()` is called: it must be on the page to know its size. */
export function plan({ floor, width, height, x, y }, name, shape, priority) {
  const element = make("div", { class: "plan", role: "group", "aria-label": fill(texts.plan_of, { place: name }) });
  const isMarked = x !== null;
  let map = null;

  function shown() {
    map = L.map(element, {
      crs: L.CRS.Simple, attributionControl: false, keyboard: false, minZoom: -6, maxZoom: 4, zoomSnap: 0, zoomDelta: 0.5,
      scrollWheelZoom: false, zoomAnimation: !isCalm.matches, fadeAnimation: false, markerZoomAnimation: !isCalm.matches,
    });
    map.zoomControl.setPosition("bottomright");
    L.imageOverlay(`/api/plans/${encodeURIComponent(floor)}`, [[0, 0], [height, width]], { alt: "" }).addTo(map);
    if (isMarked) mark();
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
    const whole = L.latLngBounds([[0, 0], [height, width]]);
    map.setMaxBounds(whole.pad(0.5));
    map.fitBounds(isMarked ? around(whole) : whole, { animate: false, padding: [8, 8] });
  }

  /** The place with as much of the floor as one needs to find it; the rest is a drag away. */
  function around(whole) {
    const [dx, dy] = [width * AROUND, height * AROUND];
    const found = L.latLngBounds([[height - y - dy, x - dx], [height - y + dy, x + dx]]);
    return L.latLngBounds(
      [Math.max(found.getSouth(), whole.getSouth()), Math.max(found.getWest(), whole.getWest())],
      [Math.min(found.getNorth(), whole.getNorth()), Math.min(found.getEast(), whole.getEast())],
    );
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
