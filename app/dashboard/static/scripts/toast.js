// Short messages in the corner, read out by screen readers.
export function toast(text, kind = "good") {
  const place = document.querySelector(".toasts");
  if (!place || [...place.children].some((one) => one.firstChild.textContent === text)) return;
  const made = document.createElement("div");
  made.className = `toast ${kind}`;
  made.setAttribute("role", kind === "bad" ? "alert" : "status");
  const words = document.createElement("span");
  words.textContent = text;
  const close = document.createElement("button");
  close.type = "button"; close.textContent = "×"; close.setAttribute("aria-label", "Close");
  close.addEventListener("click", () => made.remove());
  made.append(words, close);
  place.append(made);
  if (kind !== "bad") setTimeout(() => made.remove(), 6000);
}
