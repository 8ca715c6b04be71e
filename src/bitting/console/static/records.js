// Finds records to link to while one types; without a script the list that comes with the page is all there is to choose from.

for (const input of document.querySelectorAll("[data-links]")) {
  let asked = 0;
  let timer;
  const look = async () => {
    const mine = ++asked;
    const answer = await fetch(`${input.dataset.links}&${new URLSearchParams({ text: input.value })}`).catch(() => null);
    if (!answer?.ok || answer.redirected || mine !== asked) return;
    const { records } = await answer.json();
    if (mine === asked) input.list.replaceChildren(...records.map((record) => Object.assign(document.createElement("option"), { value: record })));
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    const chosen = [...input.list.options].some((option) => option.value === input.value);
    if (!chosen) timer = setTimeout(look, 250);
  });
}
