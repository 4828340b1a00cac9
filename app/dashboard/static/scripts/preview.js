// Shows what is being edited as a person would get it, a moment after each change. The letter is a document of its own, with
// styles of its own: a form is sent into the frame, since what a script put there would fall under this page's policy.
import { ask, csrf } from "./ask.js";

function send(body, action, frame) {
  const form = document.createElement("form");
  form.method = "post"; form.action = action; form.target = frame.name; form.hidden = true;
  body.forEach((value, name) => { if (typeof value !== "string") return; const field = document.createElement("textarea"); field.name = name; field.value = value; form.append(field); });
  document.body.append(form);
  form.submit();
  form.remove();
}

export function previews() {
  document.querySelectorAll("[data-preview]").forEach((stage) => {
    const form = document.getElementById(stage.dataset.preview), frame = stage.querySelector("iframe"), told = stage.querySelector("[data-told]");
    const controls = stage.querySelector("[data-controls]");
    let timer, running;
    const show = async () => {
      running?.abort();
      running = new AbortController();
      const body = form ? new FormData(form) : new FormData();
      new FormData(controls).forEach((value, name) => body.set(name, value));
      body.set("csrf", csrf());
      stage.setAttribute("aria-busy", "true");
      try {
        const answer = await ask(stage.dataset.notes, { method: "POST", body, signal: running.signal });
        const { notes, shown, kind } = await answer.json();
        told.replaceChildren(...notes.map((note) => { const line = document.createElement("p"); line.textContent = note; return line; }));
        told.className = notes.length ? `note small ${shown ? kind ?? "info" : "bad"}` : "";
        if (shown) send(body, stage.dataset.address, frame);
      } catch { /* told by ask, or replaced by a newer one */ }
      stage.removeAttribute("aria-busy");
    };
    const soon = () => { clearTimeout(timer); timer = setTimeout(show, 350); };
    form?.addEventListener("input", soon);
    controls.addEventListener("input", soon);
    controls.addEventListener("submit", (event) => { event.preventDefault(); show(); });
    stage.querySelectorAll("[data-look]").forEach((button) => button.addEventListener("click", () => {
      const on = stage.querySelector(".stage").classList.toggle(button.dataset.look);
      button.setAttribute("aria-pressed", String(on));
    }));
    stage.querySelector("[data-next]")?.addEventListener("click", (event) => {
      const people = JSON.parse(event.currentTarget.dataset.next), field = controls.elements.user_id;
      field.value = people[(people.indexOf(field.value) + 1) % people.length] ?? field.value;
      show();
    });
    show();
  });
}
