// Hands an API key over; from then on the browser sends a cookie that no script can read. Takes it back as well.

import { get, remove, signIn } from "./api.js";

const SESSION = "/v1/session";
const form = document.getElementById("sign-in");
const account = document.getElementById("account");
const field = document.getElementById("key");

/** Where the user wanted to go: a path of this origin and nothing else. */
function wanted() {
  const next = new URL(new URLSearchParams(location.search).get("next") ?? "/", location.origin);
  return next.origin === location.origin ? next.pathname + next.search : "/";
}

function askForKey() {
  account.hidden = true;
  form.hidden = false;
  field.focus();
}

function showSession({ keys, owner, scopes }) {
  if (!keys) return location.replace("/"); // everybody is welcome
  document.getElementById("owner").textContent = owner;
  document.getElementById("scopes").textContent = scopes.join(", ");
  account.hidden = false;
}

/** Does something; when that fails, says why beside the button. */
async function attempt(part, action) {
  const trouble = part.querySelector(".trouble");
  trouble.textContent = "";
  try {
    await action();
  } catch (error) {
    trouble.textContent = error.message;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  field.select();
  attempt(form, async () => {
    await signIn(field.value.trim());
    location.replace(wanted());
  });
});
document.getElementById("sign-out").addEventListener("click", () =>
  attempt(account, async () => {
    await remove(SESSION);
    // What this person had on the table is nothing for the next one.
    sessionStorage.clear();
    field.value = "";
    askForKey();
  }),
);
get(SESSION).then(showSession, askForKey);
