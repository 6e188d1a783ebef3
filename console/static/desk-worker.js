// The link to the server, away from the page: a tab in the background has slow clocks, its worker has not.
// The page says { follow }, { shift } or { shown }, { alive } at every tick, and { drawn } when it wants more; it hears
// what the server said: in a storm many incidents at once, each as it is then.

const BEAT_MS = 5_000;  // the server takes a desk for unwatched after 15 s
const PAGE_SILENT_MS = 15_000;  // a page that answers no ticks shows nothing, so nobody looks at it
const GATHER_MS = 30;
const CONFIRM_MS = 500;
const CONFIRM_TRIES = 20;

let stream = null;
let shift = null;  // { page, desk }
let aliveAt = Date.now();
let isDrawing = false;  // the page is busy with those it had last
let isConfirming = false;
const changed = new Map();  // incidents that the page has not had yet, by id
const shown = new Map();  // alarms that the page shows → how often the server was told

function follow(after) {
  stream?.close();
  changed.clear();  // they come again, if they are newer than what the page has read
  isDrawing = false;
  stream = new EventSource(`/api/stream?after=${after}`);
  for (const kind of ["beat", "touched", "resync"]) stream.addEventListener(kind, () => postMessage({ kind }));
  stream.addEventListener("incident", (event) => {
    const incident = JSON.parse(event.data);
    changed.set(incident.id, incident);
    if (changed.size === 1) setTimeout(pass, GATHER_MS);
  });
  stream.addEventListener("error", () => postMessage({ kind: "lost", isClosed: stream.readyState === EventSource.CLOSED }));
}

function pass() {
  if (isDrawing || changed.size === 0) return;
  isDrawing = true;
  postMessage({ kind: "incidents", incidents: [...changed.values()] });
  changed.clear();
}

async function tell(path, body) {
  const response = await fetch(`/api${path}`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
  });
  return { status: response.status, answer: response.status === 200 ? await response.json() : null };
}

async function beat() {
  if (!shift || Date.now() - aliveAt > PAGE_SILENT_MS) return;
  const told = shift;
  const { status } = await tell("/shift", told).catch(() => ({ status: 0 }));
  if (told === shift) postMessage({ kind: "shift", status });
}

/** An alarm has arrived when a page has shown it: the server is told until it has heard it of every message. */
async function confirm() {
  if (!shift || isConfirming) return;
  isConfirming = true;
  const told = shift;
  for (const [incident, tries] of [...shown]) {
    if (told !== shift) break;
    shown.set(incident, tries + 1);
    const { answer } = await tell(`/incidents/${encodeURIComponent(incident)}/seen`, { desk: told.desk })
      .catch(() => ({ answer: null }));
    if (answer?.done || tries > CONFIRM_TRIES) shown.delete(incident);
  }
  isConfirming = false;
}

addEventListener("message", ({ data }) => {
  if ("alive" in data) aliveAt = Date.now();
  if ("drawn" in data) {
    isDrawing = false;
    pass();
  }
  if ("follow" in data) follow(data.follow);
  if ("shown" in data) {
    shown.set(data.shown, 0);
    confirm();
  }
  if ("shift" in data) {
    shift = data.shift;
    shown.clear();
    beat();
  }
});

setInterval(() => postMessage({ kind: "tick" }), 1_000);
setInterval(beat, BEAT_MS);
setInterval(confirm, CONFIRM_MS);
