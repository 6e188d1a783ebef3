import { ask, find, texts } from "/static/vorab.js";

find("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  find("wrong").textContent = "";
  try {
    await ask("POST", "/session", { name: find("name").value, secret: find("secret").value.trim() });
    location.assign("/");
  } catch (error) {
    if (error.status === 429) {
      const minutes = Math.ceil(Number(error.response.headers.get("retry-after")) / 60);
      find("wrong").textContent = texts.too_often.replace("{minutes}", minutes);
    } else {
      find("wrong").textContent = error.status === 403 ? texts.wrong : error.message;
    }
    find("secret").select();
  }
});
