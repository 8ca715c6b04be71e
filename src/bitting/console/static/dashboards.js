// A widget's form shows the fields that its kind takes; what is hidden isn't sent.

for (const panel of document.querySelectorAll("[data-kinds]")) {
  const kinds = JSON.parse(panel.dataset.kinds);
  const kind = panel.querySelector("select[name$='.kind']");
  const optional = new Set(Object.values(kinds).flat());
  const show = () => {
    for (const input of panel.querySelectorAll("[name^='widgets.']")) {
      const name = input.name.split(".").pop();
      if (!optional.has(name)) continue;
      input.disabled = !kinds[kind.value].includes(name);
      input.closest(".field").hidden = input.disabled;
    }
  };
  kind.addEventListener("change", show);
  show();
}
