// Live tiles and tails: the server sends pieces of HTML, each for the element of its name.
import { tables } from "./table.js";

export function times(place) {
  place.querySelectorAll("time[datetime]:not([title])").forEach((element) => {
    const at = new Date(element.dateTime);
    if (!isNaN(at)) { element.title = element.textContent + " UTC"; element.textContent = at.toLocaleString(undefined, { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" }); }
  });
}

export function live() {
  document.querySelectorAll("[data-live]").forEach((place) => {
    let source, paused = false;
    const state = document.querySelector("[data-live-state]");
    const say = (text) => { if (state) state.textContent = text; };
    const open = () => {
      source = new EventSource(place.dataset.live);
      source.onopen = () => say("live");
      source.onmessage = (event) => {
        const { target, html, mode } = JSON.parse(event.data), element = document.getElementById(target);
        if (!element) return;
        if (mode === "prepend") {
          element.insertAdjacentHTML("afterbegin", html);
          while (element.childElementCount > 200) element.lastElementChild.remove();
        } else element.innerHTML = html;
        times(element);
        if (mode !== "prepend") tables(element);
      };
      source.onerror = () => { say("waiting for the server"); if (source.readyState === EventSource.CLOSED) setTimeout(open, 3000); };
    };
    open();
    document.querySelector("[data-pause]")?.addEventListener("click", (event) => {
      paused = !paused;
      event.currentTarget.setAttribute("aria-pressed", String(paused));
      event.currentTarget.querySelector("span").textContent = paused ? "Go on" : "Pause";
      if (paused) { source.close(); say("paused"); } else open();
    });
    addEventListener("pagehide", () => source.close());
  });
}
