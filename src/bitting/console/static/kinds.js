// A part of a form shows the fields that the chosen kind takes; what is hidden isn't sent.

for (const panel of document.querySelectorAll("[data-kinds]")) {
  const kinds = JSON.parse(panel.dataset.kinds);
  const kind = panel.querySelector(`select[name$='${panel.dataset.kind}']`);
  const optional = new Set(Object.values(kinds).flat());
  const show = () => {
    for (const input of panel.querySelectorAll("[name]")) {
      const name = input.name.split(".").pop();
      if (!optional.has(name)) continue;
      input.disabled = !(kinds[kind.value] ?? []).includes(name);
      input.closest(".field").hidden = input.disabled;
    }
  };
  if (!kind) continue;
  kind.addEventListener("change", show);
  show();
}
