// Finds as somebody types: the results of a GET form replace those on the page.
import { ask } from "./ask.js";

export function searches() {
  document.querySelectorAll("form[data-search]").forEach((form) => {
    const place = document.getElementById(form.dataset.search);
    let timer, running;
    form.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        running?.abort();
        running = new AbortController();
        const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
        try {
          const answer = await ask(`${form.getAttribute("action")}?${query}`, { headers: { "X-Part": "1" }, signal: running.signal });
          if (answer.ok) { place.innerHTML = await answer.text(); history.replaceState(null, "", `?${query}`); }
        } catch { /* told by ask, or replaced by a newer one */ }
      }, 200);
    });
  });
}
