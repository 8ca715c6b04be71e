// What scripts add to the console: copying, and checking while one types. Everything else works without.

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const source = document.querySelector(button.dataset.copy);
    await navigator.clipboard.writeText(source.textContent);
    const said = button.textContent;
    button.textContent = button.dataset.done;
    const status = button.parentElement.querySelector("[data-copy-status]");
    if (status) status.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = said; }, 2000);
  });
}

for (const text of document.querySelectorAll("[data-check]")) {
  const result = text.parentElement.querySelector("[data-check-result]");
  let asked = 0;
  let timer;
  const check = async () => {
    const mine = ++asked;
    const answer = await fetch(`${text.dataset.check}?${new URLSearchParams({ value: text.value })}`);
    if (!answer.ok || mine !== asked) return;
    const { errors } = await answer.json();
    result.hidden = errors.length === 0;
    result.textContent = errors.join("; ");
  };
  text.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(check, 250); });
}

document.querySelector("[data-focus]")?.focus();

const menu = document.querySelector("details.menu");
const wide = window.matchMedia("(min-width: 60rem)");
const fold = () => { if (menu) menu.open = wide.matches; };
wide.addEventListener("change", fold);
fold();
