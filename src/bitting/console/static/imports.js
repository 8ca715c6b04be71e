// How far an import is, without reloading; once it is at another stage, the page is loaded once more, whole.

const part = document.querySelector("[data-import]");
const bar = document.querySelector("#progress");
const written = new Intl.NumberFormat(document.documentElement.lang);

const look = async () => {
  const answer = await fetch(part.dataset.import).catch(() => null); // the server may be away for a moment
  if (answer?.ok) {
    const { stage, read, loaded, bad } = await answer.json();
    bar.value = read;
    part.querySelector("[data-loaded]").textContent = written.format(loaded);
    part.querySelector("[data-bad]").textContent = written.format(bad);
    if (stage !== part.dataset.stage) location.reload();
  } else if (answer && answer.status < 500) location.reload();
  setTimeout(look, 1000);
};
setTimeout(look, 500);
