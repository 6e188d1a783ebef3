// What every page needs: the texts, one way to ask the API, one way to make an element, the bar at the top.

export const texts = JSON.parse(document.body.dataset.texts);
const zone = document.body.dataset.zone;

const timeOfDay = new Intl.DateTimeFormat("en-GB", {
  timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit",
});

/** 03:14:09, as the clocks at the site show it. */
export const clock = (at) => timeOfDay.format(new Date(at));

/** The sentence with the values in place of its {names}. */
export const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);

let signedOut = () => location.assign("/sign-in");

/** What happens when the session has ended, instead of going to the sign-in page. */
export function whenSignedOut(act) {
  signedOut = act;
}

/** The answer of the API.  Throws an Error in words; without a session the browser goes to the sign-in page. */
export async function ask(method, path, body) {
  const response = await fetch(`/api${path}`, {
    method,
    headers: { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.status === 401) signedOut();
  const answer = response.status === 204 ? null : await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.error), { status: response.status });
  return answer;
}

/** An element.  What comes from outside is only ever text: there is no way to give it markup. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

export const find = (id) => document.getElementById(id);

/** The reader's language is no secret: the page keeps it in a cookie of its own, and is read again in it. */
find("language")?.addEventListener("change", (event) => {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `language=${event.target.value}; path=/; max-age=31536000; samesite=lax${secure}`;
  location.reload();
});

/** The page is grey and says so, also in its title, while what it shows may be old. */
export function showLink(isThere, why = [texts.lost, texts.lost_more]) {
  document.documentElement.classList.toggle("is-lost", !isThere);
  find("lost").hidden = isThere;
  [find("lost-what").textContent, find("lost-more").textContent] = why;
  find("link").hidden = !isThere;
}

export function startBar() {
  const tick = () => { find("clock").textContent = clock(Date.now()); };
  tick();
  setInterval(tick, 1000);
  setInterval(() => ask("GET", "/session").catch(() => {}), 5 * 60 * 1000);  // an open page keeps its session
  find("sign-out").addEventListener("click", async () => {
    await ask("DELETE", "/session");
    location.assign("/sign-in");
  });
}
