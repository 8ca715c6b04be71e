// While a role is typed, what it would show now is fetched again; the button does the same without a script.

const form = document.querySelector("form[data-preview]");
const preview = document.getElementById("preview");
let asked = 0;
let timer;

const look = async () => {
  const mine = ++asked;
  const answer = await fetch(form.dataset.preview, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  if (!answer.ok || answer.redirected || mine !== asked) return;
  const text = await answer.text();
  if (mine === asked) preview.innerHTML = text;
};

if (form) {
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(look, 300); });
  if (form.querySelector("[name^='grants.']")) look();
}
