// Opens dialogs, and lets the button of one that needs a typed word work only once the word is there.
export function dialogs() {
  document.querySelectorAll("[data-dialog]").forEach((button) => button.addEventListener("click", () => {
    const dialog = document.getElementById(button.dataset.dialog);
    dialog.showModal();
    dialog.querySelector("input:not([type=hidden]), button")?.focus();
  }));
  document.querySelectorAll("dialog [data-close]").forEach((button) => button.addEventListener("click", () => button.closest("dialog").close()));
  document.querySelectorAll("[data-word]").forEach((field) => {
    const button = field.form.querySelector("[type=submit]");
    const check = () => { button.disabled = field.value.trim() !== field.dataset.word; };
    field.addEventListener("input", check);
    check();
  });
}
