// Hands an API key over; from then on the browser sends a cookie that no script can read.

import { signIn } from "./api.js";

const form = document.getElementById("sign-in");
const field = document.getElementById("key");
const trouble = document.getElementById("trouble");

/** Where the user wanted to go: a path of this origin and nothing else. */
function wanted() {
  const next = new URL(new URLSearchParams(location.search).get("next") ?? "/", location.origin);
  return next.origin === location.origin ? next.pathname + next.search : "/";
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  trouble.textContent = "";
  try {
    await signIn(field.value.trim());
    location.replace(wanted());
  } catch (error) {
    trouble.textContent = error.message;
    field.select();
  }
});
field.focus();
