// The line to the loudspeaker of a place: audio both ways.  It is open until somebody closes it or the page goes; one is
// heard only while the button is held.

import { ask, fill, find, texts } from "/static/vorab.js";

const GATHERED_WITHIN_MS = 2_000;  // our addresses; a machine without any network has its own at once

let line = null;  // { id, name, peer, microphone, pushes, voice }

export const isOpen = () => line !== null;

/** Opens the line of this incident, unless one is open. */
export async function open(incident, name) {
  if (line) return;
  line = { name };
  show(texts.talk_opening);
  try {
    line.microphone = await microphone();
    await connect(incident);
    show(texts.talk_open);
    find("push").hidden = false;
    find("push").focus();
  } catch (error) {
    close(fill(texts.talk_refused, { reason: reason(error) }));
  }
}

async function microphone() {
  if (!navigator.mediaDevices) throw new Error(texts.microphone_https);
  const found = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true } });
  for (const track of found.getAudioTracks()) track.enabled = false;
  return found;
}

async function connect(incident) {
  const peer = new RTCPeerConnection({ iceServers: [] });
  Object.assign(line, { peer, pushes: peer.createDataChannel("ptt"), voice: new Audio() });
  line.voice.autoplay = true;
  line.pushes.addEventListener("message", ({ data }) => {
    const reason = String(data).replace(/^ended: /, "");
    close(fill(texts.talk_ended, { reason: texts.line_ends[reason] ?? reason }));
  });
  peer.addEventListener("track", (event) => { line.voice.srcObject = new MediaStream([event.track]); });
  peer.addEventListener("connectionstatechange", () => {
    if (line?.peer === peer && ["failed", "closed"].includes(peer.connectionState)) close(texts.talk_lost);
  });
  for (const track of line.microphone.getAudioTracks()) peer.addTrack(track, line.microphone);
  await peer.setLocalDescription();
  await gathered(peer);
  const answer = await ask("POST", `/incidents/${encodeURIComponent(incident)}/talk`, { sdp: peer.localDescription.sdp });
  line.id = answer.talk;
  await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
}

function gathered(peer) {
  return new Promise((done) => {
    const look = () => { if (peer.iceGatheringState === "complete") done(); };
    peer.addEventListener("icegatheringstatechange", look);
    setTimeout(done, GATHERED_WITHIN_MS);
    look();
  });
}

function reason(error) {
  if (error.name === "NotAllowedError") return texts.microphone_refused;
  if (error.name === "NotFoundError") return texts.microphone_missing;
  return error.message;
}

/** While it is held one is heard there. */
export function push(isHeld) {
  if (line?.pushes?.readyState !== "open" || find("push").classList.contains("held") === isHeld) return;
  for (const track of line.microphone.getAudioTracks()) track.enabled = isHeld;
  line.pushes.send(isHeld ? "down" : "up");
  find("push").classList.toggle("held", isHeld);
  find("push").textContent = isHeld ? texts.push_held : texts.push;
  show(isHeld ? texts.talk_heard : texts.talk_open);
}

export function close(words = "") {
  if (!line) return;
  push(false);
  const { id, microphone: held, peer } = line;
  line = null;
  for (const track of held?.getTracks() ?? []) track.stop();
  peer?.close();
  if (id) fetch(`/api/talks/${encodeURIComponent(id)}`, {
    method: "DELETE", keepalive: true, headers: { "content-type": "application/json" },
  }).catch(() => {});
  find("push").hidden = true;
  find("hang-up").textContent = texts.close;
  find("line").hidden = words === "";
  find("line").classList.add("refused");
  find("line-said").textContent = words;
}

function show(sentence) {
  find("line").hidden = false;
  find("line").classList.remove("refused");
  find("hang-up").textContent = texts.hang_up;
  find("line-said").textContent = fill(sentence, { place: line.name });
}

export function startTalk() {
  const button = find("push");
  button.addEventListener("pointerdown", (event) => {
    button.setPointerCapture(event.pointerId);
    push(true);
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) button.addEventListener(name, () => push(false));
  find("hang-up").addEventListener("click", () => {
    close();
    find("line").hidden = true;
  });
  addEventListener("blur", () => push(false));  // the key's release would be heard elsewhere
  addEventListener("pagehide", () => close());
}
