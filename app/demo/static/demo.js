// Switches people, sends events, and takes the cache away; the server renders everything that is shown.
"use strict";
const screenOf = () => document.querySelector(".columns");
const picker = document.getElementById("person");
const notice = document.getElementById("notice");
let latest = 0;
let fading = 0;

function tell(text, bad) {
  notice.textContent = text;
  notice.className = bad ? "bad" : "";
  notice.hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => { notice.hidden = true; }, bad ? 9000 : 4000);
}

async function show(user, push) {
  const mine = ++latest;
  screenOf().classList.add("busy");
  try {
    const answer = await fetch("/demo/screen?user=" + encodeURIComponent(user));
    const text = await answer.text();
    if (mine !== latest) return;
    if (!answer.ok) throw new Error("the demo answered " + answer.status);
    document.getElementById("screen").innerHTML = text;
    picker.value = user;
    if (picker.value !== user) picker.value = "";
    if (push) history.pushState(null, "", "/demo?user=" + encodeURIComponent(user));
  } catch (error) {
    screenOf().classList.remove("busy");
    tell("Nothing new could be shown: " + error.message, true);
  }
}

async function send(path, body) {
  const answer = await fetch(path, {
    method: "POST", headers: { "Content-Type": "application/json", "X-Demo": "1" }, body: JSON.stringify(body),
  });
  const document = await answer.json();
  if (!answer.ok) throw new Error(document.detail || "the demo answered " + answer.status);
  return document;
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function happened(button) {
  const { user, sequence } = screenOf().dataset;
  const began = performance.now();
  const { problem } = await send("/demo/events", { user, item: button.dataset.item, what: button.dataset.event });
  if (problem) throw new Error(problem);
  while (performance.now() - began < 8000) {
    const answer = await fetch("/demo/sequence?user=" + encodeURIComponent(user));
    if (answer.ok && String((await answer.json()).sequence) !== sequence) {
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      if (screenOf().dataset.user === user) await show(user, false);
      tell("The event changed the answer after " + seconds + " s.");
      return;
    }
    await pause(100);
  }
  throw new Error("the event is stored, but no answer has changed within 8 s");
}

async function freeze(button) {
  const away = button.dataset.cache === "away";
  await send("/demo/cache", { away });
  tell(away ? "Redis is frozen." : "Redis goes on.");
  await show(screenOf().dataset.user, false);
}

document.addEventListener("click", async (click) => {
  const button = click.target.closest("button");
  if (!button) return;
  if (button.dataset.step) {
    const known = [...picker.options].filter((one) => one.value);
    const at = known.findIndex((one) => one.value === screenOf().dataset.user);
    show(known[(at + Number(button.dataset.step) + known.length) % known.length].value, true);
    return;
  }
  const work = button.dataset.event ? happened : button.dataset.cache ? freeze : null;
  if (!work) return;
  button.disabled = true;
  try {
    await work(button);
  } catch (error) {
    tell(error.message[0].toUpperCase() + error.message.slice(1), true);
  } finally {
    button.disabled = false;
  }
});
picker.addEventListener("change", () => show(picker.value, true));
document.querySelector(".switch").addEventListener("submit", (submit) => {
  submit.preventDefault();
  const user = document.getElementById("anyone").value.trim();
  if (user) show(user, true);
});
window.addEventListener("popstate", () => show(new URLSearchParams(location.search).get("user") || picker.options[0].value, false));
