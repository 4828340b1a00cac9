// Calls of scripts: they carry the form's token, and tell when the session ended or the API is away.
import { toast } from "./toast.js";

export const csrf = () => document.querySelector('meta[name="csrf"]')?.content ?? "";

export async function ask(path, options = {}) {
  const headers = { "X-Csrf": csrf(), ...(options.headers ?? {}) };
  let answer;
  try { answer = await fetch(path, { ...options, headers }); } catch (error) {
    if (error.name !== "AbortError") toast("The dashboard cannot be reached. What you wrote is kept here.", "bad");
    throw error;
  }
  if (answer.status === 401) { toast("Your session has ended: sign in in another tab, then go on here. What you wrote is kept.", "bad"); throw new Error("signed out"); }
  return answer;
}
