// The live picture of a place.  It is read here and not by an <img>, which neither says that it has died nor that it
// stands still: what is old must not look new.

import { clock, fill, make, texts } from "/static/vorab.js";

const OLD_AFTER_MS = 3_000;
const AGAIN_AFTER_MS = 3_000;
const LARGEST = 8 * 1024 * 1024;  // bytes of one picture
const END_OF_HEAD = [13, 10, 13, 10];

/** A figure that shows what the camera of this place sees while it is on the page and the page is looked at. */
export function camera(place, name) {
  const canvas = make("canvas", { class: "camera-live", role: "img", "aria-label": fill(texts.camera_of, { place: name }) });
  const said = make("span", { class: "said" }, texts.camera_waits);
  const element = make("figure", { class: "camera waiting" }, canvas, make("figcaption", {}, make("strong", {}, texts.live), " ", said));
  const url = `/api/places/${encodeURIComponent(place)}/camera`;
  let shownAt = 0;
  let reading = null;

  async function show(bytes) {
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
    shownAt = Date.now();
    canvas.dataset.frames = Number(canvas.dataset.frames ?? 0) + 1;
    element.className = "camera";
    said.textContent = clock(shownAt);
  }

  function fail(reason) {
    shownAt = 0;
    element.className = "camera dead";
    said.textContent = fill(texts.camera_dead, { reason });
  }

  async function read() {
    reading = new AbortController();
    const { signal } = reading;
    try {
      const response = await fetch(url, { signal });
      if (!response.ok) throw new Error((await response.json()).error);
      for await (const part of parts(response.body.getReader())) {
        if (part.type !== "image/jpeg") throw new Error(new TextDecoder().decode(part.body));
        await show(part.body);
      }
      throw new Error(texts.camera_ended);
    } catch (error) {
      if (signal.aborted) return;
      fail(error.message);
      setTimeout(() => { if (!signal.aborted) read(); }, AGAIN_AFTER_MS);
    }
  }

  /** Browsers open few lines to one server: a page that nobody sees needs none for this. */
  function follow() {
    reading?.abort();
    reading = null;
    if (!document.hidden) read();
  }

  document.addEventListener("visibilitychange", follow);
  follow();
  return {
    element,
    tick() {
      const seconds = Math.floor((Date.now() - shownAt) / 1000);
      if (!shownAt || seconds * 1000 < OLD_AFTER_MS) return;
      element.className = "camera dead";
      said.textContent = fill(texts.camera_old, { seconds });
    },
    close() {
      document.removeEventListener("visibilitychange", follow);
      reading?.abort();
    },
  };
}

/** The parts of multipart/x-mixed-replace, each with its length in its head. */
async function* parts(reader) {
  let waiting = new Uint8Array(0);
  const more = async () => {
    const { done, value } = await reader.read();
    if (!done) waiting = joined(waiting, value);
    return !done;
  };
  for (;;) {
    let end = endOfHead(waiting);
    while (end < 0) {
      if (!(await more())) return;
      end = endOfHead(waiting);
    }
    const head = new TextDecoder().decode(waiting.subarray(0, end));
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? NaN);
    if (!(length <= LARGEST)) throw new Error(texts.camera_ended);
    while (waiting.length < end + length) if (!(await more())) return;
    yield { type: /content-type: (\S+)/i.exec(head)?.[1], body: waiting.slice(end, end + length) };
    waiting = waiting.slice(end + length);
  }
}

/** Where the first body begins; -1 = its head is not all there. */
function endOfHead(bytes) {
  for (let at = 0; at + 4 <= bytes.length; at += 1) if (END_OF_HEAD.every((one, by) => bytes[at + by] === one)) return at + 4;
  return -1;
}

function joined(one, other) {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
