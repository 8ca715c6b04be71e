// How far an import is, without reloading; at its end the page is loaded once more, whole.

const part = document.querySelector("[data-import]");
const bar = document.querySelector("#progress");

const look = async () => {
  const answer = await fetch(part.dataset.import);
  if (answer.ok) {
    const { stage, read, loaded, bad } = await answer.json();
    bar.value = read;
    part.querySelector("[data-loaded]").textContent = loaded;
    part.querySelector("[data-bad]").textContent = bad;
    if (stage !== "running") location.reload();
  } else if (answer.status < 500) location.reload();
  setTimeout(look, 1000);
};
setTimeout(look, 500);
