// The handsets: a thread of messages, calls and mails for each person, and the call that rings now, live from the world.
"use strict";

const MANY = 200; // entries kept on one handset
const KEYS = "123456789*0#";
const STAYS_MS = 4000; // how long a call that is over is still shown

const handsets = new Map(); // number or address → its elements
const calls = new Map(); // SID → what is shown of a call
const link = document.getElementById("link");
let texts = {}; // language → word → text
let started = false; // what came before the page was opened neither rings nor speaks

function words(language) {
  return texts[language] || texts.en;
}

function make(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

// --- a handset -------------------------------------------------------------------------------------------------------

function handset(address, person = { name: address, [address.includes("@") ? "mail" : "number"]: address }) {
  if (handsets.has(address)) return handsets.get(address);
  const root = document.getElementById("handset").content.cloneNode(true).firstElementChild;
  const find = (selector) => root.querySelector(selector);
  const phone = {
    number: person.number, name: person.name, said: words(person.language), root, find, count: 0, call: null,
    list: find(".messages"), quick: find(".quick"), unread: find(".unread"), empty: find(".empty"),
  };
  const about = [person.role, person.number, person.number ? "" : person.mail];
  find(".name").textContent = person.name;
  find(".about").textContent = about.filter((part) => part && part !== person.name).join(" · ");
  find(".face").textContent = person.name.replace(/^\+/, "").slice(0, 1).toUpperCase();
  find(".empty").textContent = phone.said.empty;
  find(".messages").setAttribute("aria-label", person.name);
  root.lang = person.language || "en";
  writes(phone);
  answers(phone);
  root.addEventListener("focusin", () => seen(phone));
  root.addEventListener("pointerdown", () => seen(phone));
  document.getElementById("handsets").append(root);
  for (const way of [person.number, person.mail]) if (way) handsets.set(way, phone);
  return phone;
}

function writes(phone) {
  const form = phone.find(".write");
  const input = phone.find("input");
  form.hidden = !phone.number;
  input.placeholder = phone.said.hint;
  input.setAttribute("aria-label", `${phone.said.hint}: ${phone.name}`);
  phone.find(".send").setAttribute("aria-label", `${phone.said.send}: ${phone.name}`);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    post("/write", { handset: phone.number, text: input.value });
    input.value = "";
  });
}

async function post(path, told) {
  const body = JSON.stringify(told);
  try {
    const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    if (!answer.ok) lost();
  } catch {
    lost();
  }
}

// --- messages and mails ----------------------------------------------------------------------------------------------

function show(entry) {
  if (entry.kind === "call") return; // a call is shown as it goes on
  const phone = handset(entry.handset);
  const bubble = entry.kind === "mail" ? card(phone, entry) : linked(make("div", "bubble"), entry.text);
  const item = append(phone, bubble, entry.at);
  item.classList.toggle("mine", entry.written);
  if (entry.written) phone.quick.hidden = true;
  else if (entry.kind === "sms") offer(phone, entry.text);
  if (started && !entry.written) alert(phone);
}

function append(phone, content, at) {
  const item = make("div", `message${started ? " new" : ""}`);
  const time = make("time", "", clock(at));
  time.dateTime = new Date(at / 1000).toISOString();
  item.append(content, time);
  phone.list.append(item);
  while (phone.list.children.length > MANY) phone.list.firstElementChild.remove();
  phone.empty.hidden = true;
  phone.list.scrollTop = phone.list.scrollHeight;
  return item;
}

function clock(at) {
  return new Date(at / 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
}

function card(phone, entry) {
  const [subject, ...rest] = entry.text.split("\n");
  const mail = make("article", "bubble mail");
  mail.append(make("p", "kind", phone.said.mail), make("h3", "subject", subject));
  if (rest.join("").trim()) mail.append(linked(make("p", "text"), rest.join("\n").trim()));
  if (entry.picture) {
    const picture = make("img");
    picture.src = `/picture?mail=${entry.number}`;
    picture.alt = phone.said.picture;
    mail.append(picture);
  }
  return mail;
}

// Text with its addresses as links; what comes from outside is only ever text.
function linked(element, text) {
  for (const part of text.split(/(https?:\/\/[^\s<>"]+)/)) {
    if (!/^https?:/.test(part)) {
      element.append(part);
      continue;
    }
    const anchor = make("a", "", part);
    Object.assign(anchor, { href: part, target: "_blank", rel: "noopener noreferrer" });
    element.append(anchor);
  }
  return element;
}

// Buttons for what the last message asks: "4821 = …" can be taken or declined, "4821 done" can be finished.
function offer(phone, text) {
  const asked = text.match(/\b([0-9]{4,6}) = /);
  const owned = text.match(/\b([0-9]{4,6}) (?:done|fertig|fini)\b/);
  const choices = asked
    ? [["go", asked[1]], ["no", `${asked[1]} no`], ["why", `${asked[1]} ?`]]
    : owned ? [["done", `${owned[1]} done`]] : [];
  phone.quick.replaceChildren(...choices.map(([name, reply]) => {
    const button = make("button", name === "go" || name === "done" ? "go" : "", phone.said[name]);
    button.type = "button";
    button.title = reply;
    button.addEventListener("click", () => post("/write", { handset: phone.number, text: reply }));
    return button;
  }));
  phone.quick.hidden = choices.length === 0;
}

// --- calls -----------------------------------------------------------------------------------------------------------

function answers(phone) {
  const act = (action, key) => post("/call", { handset: phone.number, action, key });
  const keypad = phone.find(".keypad");
  phone.find(".call").setAttribute("aria-label", `${phone.said.call}: ${phone.name}`);
  phone.find(".said").setAttribute("aria-label", `${phone.said.talks}: ${phone.name}`);
  keypad.setAttribute("aria-label", `${phone.said.keypad}: ${phone.name}`);
  keypad.append(...[...KEYS].map((key) => {
    const button = make("button", "key", key);
    button.type = "button";
    button.setAttribute("aria-label", `${phone.said.key} ${key}`);
    button.addEventListener("click", () => press(phone, key));
    return button;
  }));
  phone.find(".pick").addEventListener("click", () => act("pick_up"));
  phone.find(".hang").addEventListener("click", () => act("hang_up"));
  phone.find(".pick .label").textContent = phone.said.pick_up;
  phone.find(".call").addEventListener("keydown", (event) => {
    if (KEYS.includes(event.key) && phone.call?.status === "in-progress") press(phone, event.key);
  });
}

function press(phone, key) {
  beep();
  post("/call", { handset: phone.number, action: "press", key });
}

// A call as the world tells it: while it lasts it lies over the handset, afterwards in the thread.
function goes(call) {
  const phone = handset(call.handset);
  const known = calls.get(call.sid);
  calls.set(call.sid, call);
  const live = started || call.status === "ringing" || call.status === "in-progress";
  const before = known ? known.said.length : 0;
  if (started || known) call.said.slice(before).forEach((one, index) => speak(call, one, before + index));
  if (call.ended_at !== null) {
    if (!known || known.ended_at === null) ended(phone, call, live && phone.call?.sid === call.sid);
    return;
  }
  if (call.status === "queued") return;
  phone.call = call;
  lies(phone);
  if (!known || known.status === "queued") alert(phone);
}

function ended(phone, call, wasShown) {
  hush(call);
  append(phone, history(phone, call), call.at);
  if (!wasShown) return;
  phone.call = call;
  lies(phone);
  setTimeout(() => {
    if (phone.call !== call) return;
    phone.call = null;
    lies(phone);
    phone.list.scrollTop = phone.list.scrollHeight;
  }, STAYS_MS);
}

function outcome(phone, call) {
  if (call.answered_at !== null) return phone.said.over;
  return { busy: phone.said.busy, failed: phone.said.failed }[call.status] || phone.said.missed;
}

function history(phone, call) {
  const talked = call.answered_at !== null;
  const bubble = make("details", `bubble past${talked ? "" : " missed"}`);
  const title = talked ? `${phone.said.call} · ${lasted(call, call.ended_at)}` : outcome(phone, call);
  bubble.append(make("summary", "", title), ...call.said.map((one) => make("p", "", sentence(phone, one))));
  if (call.said.length) return bubble;
  return make("p", bubble.className, title);
}

function sentence(phone, one) {
  return one.recording ? `▸ ${phone.said.recording} ${one.text}` : one.text;
}

function lies(phone) {
  const { call, find } = phone;
  find(".call").hidden = !call;
  phone.root.classList.toggle("rings", call?.status === "ringing");
  if (!call) return;
  const talks = call.status === "in-progress";
  const rings = call.status === "ringing";
  find(".call").dataset.state = rings ? "rings" : talks ? "talks" : "over";
  retold(find(".state"), rings ? phone.said.rings : talks ? phone.said.talks : outcome(phone, call));
  find(".who").textContent = call.sender;
  find(".lasts").textContent = lasts(call);
  find(".hang .label").textContent = rings ? phone.said.decline : phone.said.hang_up;
  retold(find(".wanted"), talks ? (call.takes_keys ? phone.said.press : phone.said.listen) : "");
  find(".keypad").classList.toggle("open", call.takes_keys);
  const said = find(".said");
  if (said.dataset.sid !== call.sid) said.replaceChildren();
  said.dataset.sid = call.sid;
  for (const one of call.said.slice(said.children.length)) {
    const line = make("li", "", sentence(phone, one));
    if (one.language) line.lang = one.language;
    said.append(line);
    said.scrollTop = said.scrollHeight;
  }
}

// A live region tells only what is new.
function retold(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function lasts(call) {
  if (call.answered_at === null) return "";
  return lasted(call, call.ended_at === null ? Date.now() * 1000 : call.ended_at);
}

function lasted(call, until) {
  const seconds = Math.max(0, Math.floor((until - call.answered_at) / 1e6));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

setInterval(() => {
  for (const phone of new Set(handsets.values())) {
    if (phone.call?.status === "in-progress") phone.find(".lasts").textContent = lasts(phone.call);
  }
}, 500);

// --- sound -----------------------------------------------------------------------------------------------------------

let audio = null; // exists after the first click or key: browsers let no page sound before
const spoken = []; // what is still to be said or played, of all calls, one after the other
let speaking = null;

function unlock() {
  audio ??= new AudioContext();
  audio.resume();
  document.getElementById("unlock").hidden = true;
}

function tone(frequencies, begins, seconds, loudness) {
  for (const frequency of frequencies) {
    const source = new OscillatorNode(audio, { frequency });
    const gain = new GainNode(audio, { gain: 0 });
    gain.gain.setTargetAtTime(loudness, begins, 0.01);
    gain.gain.setTargetAtTime(0, begins + seconds, 0.03);
    source.connect(gain).connect(audio.destination);
    source.start(begins);
    source.stop(begins + seconds + 0.3);
  }
}

function beep() {
  if (audio) tone([770, 1336], audio.currentTime, 0.1, 0.04);
}

setInterval(() => {
  const rings = [...handsets.values()].some((phone) => phone.call?.status === "ringing");
  if (!audio || !rings) return;
  for (const at of [0, 0.5]) tone([440, 480], audio.currentTime + at, 0.35, 0.05);
}, 2000);

// Recordings always sound, sentences only with the switch on.
function speak(call, one, number) {
  if (!one.recording && !document.getElementById("aloud").checked) return;
  spoken.push({ call, one, number });
  if (!speaking) next();
}

function next() {
  const said = spoken.shift();
  speaking = said || null;
  if (!said) return;
  if (said.one.recording) {
    said.player = new Audio(`/sound?call=${said.call.sid}&said=${said.number}`);
    said.player.addEventListener("ended", next);
    said.player.addEventListener("error", next);
    said.player.play().catch(() => { if (speaking === said) next(); });
  } else {
    const utterance = new SpeechSynthesisUtterance(said.one.text);
    utterance.lang = said.one.language;
    utterance.addEventListener("end", next);
    utterance.addEventListener("error", next);
    speechSynthesis.speak(utterance);
  }
}

function hush(call) {
  for (let index = spoken.length - 1; index >= 0; index -= 1) {
    if (spoken[index].call.sid === call.sid) spoken.splice(index, 1);
  }
  if (speaking?.call.sid !== call.sid) return;
  if (speaking.player) {
    speaking.player.pause();
    next();
  } else {
    speechSynthesis.cancel(); // ends it, and so goes on
  }
}

// --- the page --------------------------------------------------------------------------------------------------------

function alert(phone) {
  phone.count += 1;
  phone.unread.textContent = phone.count;
  phone.unread.hidden = false;
  phone.root.classList.remove("shakes");
  void phone.root.offsetWidth; // so that the animation starts again
  phone.root.classList.add("shakes");
  titled();
}

function seen(phone) {
  phone.count = 0;
  phone.unread.hidden = true;
  titled();
}

function titled() {
  const all = [...new Set(handsets.values())].reduce((sum, phone) => sum + phone.count, 0);
  const title = pageWords().title;
  document.title = all ? `(${all}) ${title}` : title;
}

function pageWords() {
  return words(navigator.language.slice(0, 2));
}

function lost() {
  link.textContent = pageWords().lost || "no connection";
  link.className = "link lost";
}

async function start() {
  texts = await (await fetch("/words")).json();
  document.documentElement.lang = texts[navigator.language.slice(0, 2)] ? navigator.language.slice(0, 2) : "en";
  for (const element of document.querySelectorAll("[data-word]")) {
    element.textContent = pageWords()[element.dataset.word];
  }
  titled();
  for (const person of await (await fetch("/people")).json()) handset(person.number || person.mail, person);
  const events = new EventSource("/events");
  events.addEventListener("message", (event) => show(JSON.parse(event.data)));
  events.addEventListener("call", (event) => goes(JSON.parse(event.data)));
  events.addEventListener("error", lost);
  events.addEventListener("open", () => {
    link.textContent = pageWords().live;
    link.className = "link live";
    setTimeout(() => { started = true; }, 300);
  });
}

for (const way of ["pointerdown", "keydown"]) addEventListener(way, unlock, { once: true });
start().catch(lost);
