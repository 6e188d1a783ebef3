import { ask, find, texts } from "/static/vorab.js";

find("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  find("wrong").textContent = "";
  try {
    await ask("POST", "/session", { name: find("name").value, secret: find("secret").value.trim() });
    location.assign("/");
  } catch (error) {
    const known = { 403: texts.wrong, 429: texts.too_often };
    find("wrong").textContent = known[error.status] ?? error.message;
    find("secret").select();
  }
});
