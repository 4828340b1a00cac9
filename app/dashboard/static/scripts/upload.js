// A file dropped on the page is a file chosen.
export function uploads() {
  document.querySelectorAll(".drop").forEach((place) => {
    const field = place.querySelector("input[type=file]");
    const over = (event) => { event.preventDefault(); place.classList.add("over"); };
    place.addEventListener("dragover", over);
    place.addEventListener("dragleave", () => place.classList.remove("over"));
    place.addEventListener("drop", (event) => { event.preventDefault(); place.classList.remove("over"); field.files = event.dataTransfer.files; field.dispatchEvent(new Event("change", { bubbles: true })); });
    field.addEventListener("change", () => { place.querySelector("[data-name]").textContent = field.files[0]?.name ?? ""; if (field.files.length && place.dataset.go !== undefined) field.form.requestSubmit(); });
  });
}
