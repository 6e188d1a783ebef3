// The handsets: one column of bubbles for each number, live from the ledger.
"use strict";

const QUICK = {
  en: { go: "I go", no: "Cannot", why: "Why me?", done: "Done", hint: "Text message", empty: "No messages yet." },
  de: { go: "Ich gehe", no: "Kann nicht", why: "Warum ich?", done: "Fertig", hint: "Nachricht", empty: "Noch keine Nachrichten." },
  fr: { go: "J'y vais", no: "Impossible", why: "Pourquoi moi ?", done: "Fini", hint: "Message", empty: "Pas encore de message." },
};
const MANY = 200; // bubbles kept on one handset

const handsets = new Map(); // number → its elements
const link = document.getElementById("link");
let started = false; // what came before the page was opened does not ring

function words(language) {
  return QUICK[language] || QUICK.en;
}

function handset(number, person = { name: number }) {
  if (handsets.has(number)) return handsets.get(number);
  const root = document.getElementById("handset").content.cloneNode(true).firstElementChild;
  const find = (selector) => root.querySelector(selector);
  const said = words(person.language);
  find(".name").textContent = person.name;
  find(".about").textContent = [person.role, person.name === number ? "" : number].filter(Boolean).join(" · ");
  find(".face").textContent = person.name.replace(/^\+/, "").slice(0, 1).toUpperCase();
  find(".empty").textContent = said.empty;
  find("input").placeholder = said.hint;
  find("input").setAttribute("aria-label", `${said.hint}: ${person.name}`);
  find(".messages").setAttribute("aria-label", person.name);
  root.lang = person.language || "en";
  const phone = { number, said, root, list: find(".messages"), quick: find(".quick"), unread: find(".unread"), empty: find(".empty"), count: 0 };
  find("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const input = find("input");
    write(phone, input.value);
    input.value = "";
  });
  root.addEventListener("focusin", () => seen(phone));
  root.addEventListener("pointerdown", () => seen(phone));
  document.getElementById("handsets").append(root);
  handsets.set(number, phone);
  return phone;
}

async function write(phone, text) {
  const body = JSON.stringify({ handset: phone.number, text });
  try {
    const answer = await fetch("/write", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    if (!answer.ok) lost();
  } catch {
    lost();
  }
}

function show(entry) {
  const phone = handset(entry.handset);
  const item = document.createElement("li");
  item.className = `message${entry.written ? " mine" : ""}${started ? " new" : ""}`;
  const bubble = document.createElement("div");
  bubble.className = "bubble";
  bubble.textContent = entry.text;
  const time = document.createElement("time");
  const at = new Date(entry.at / 1000);
  time.dateTime = at.toISOString();
  time.textContent = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  item.append(bubble, time);
  phone.list.append(item);
  while (phone.list.children.length > MANY) phone.list.firstElementChild.remove();
  phone.empty.hidden = true;
  if (entry.written) phone.quick.hidden = true;
  else offer(phone, entry.text);
  if (started && !entry.written) ring(phone);
  phone.list.scrollTop = phone.list.scrollHeight;
}

// Buttons for what the last message asks: "4821 = …" can be taken or declined, "4821 done" can be finished.
function offer(phone, text) {
  const asked = text.match(/\b([0-9]{4,6}) = /);
  const owned = text.match(/\b([0-9]{4,6}) (?:done|fertig|fini)\b/);
  const choices = asked
    ? [["go", asked[1]], ["no", `${asked[1]} no`], ["why", `${asked[1]} ?`]]
    : owned ? [["done", `${owned[1]} done`]] : [];
  phone.quick.replaceChildren(...choices.map(([name, reply]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = name === "go" || name === "done" ? "go" : "";
    button.textContent = phone.said[name];
    button.title = reply;
    button.addEventListener("click", () => write(phone, reply));
    return button;
  }));
  phone.quick.hidden = choices.length === 0;
}

function ring(phone) {
  phone.count += 1;
  phone.unread.textContent = phone.count;
  phone.unread.hidden = false;
  phone.root.classList.remove("rings");
  void phone.root.offsetWidth; // so that the animation starts again
  phone.root.classList.add("rings");
  titled();
}

function seen(phone) {
  phone.count = 0;
  phone.unread.hidden = true;
  phone.root.classList.remove("rings");
  titled();
}

function titled() {
  const all = [...handsets.values()].reduce((sum, phone) => sum + phone.count, 0);
  document.title = all ? `(${all}) Handsets` : "Handsets";
}

function lost() {
  link.textContent = "no connection: what you see may be old";
  link.className = "link lost";
}

async function start() {
  for (const person of await (await fetch("/people")).json()) handset(person.number, person);
  const events = new EventSource("/events");
  events.addEventListener("message", (event) => show(JSON.parse(event.data)));
  events.addEventListener("error", lost);
  events.addEventListener("open", () => {
    link.textContent = "live";
    link.className = "link live";
    setTimeout(() => { started = true; }, 300);
  });
}

start().catch(lost);
