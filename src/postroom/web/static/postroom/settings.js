/* The settings and the first run: a consent that is gone to, one's own time zone. */
(() => {
  "use strict";

  /* Another kind, another address: what somebody typed himself is left alone. */
  function suggest(kind) {
    const names = JSON.parse(kind.dataset.suggests);
    const field = kind.form.elements.name;
    let last = names[kind.value];
    kind.addEventListener("change", () => {
      if (!field.value || field.value === last) field.value = names[kind.value];
      last = names[kind.value];
    });
  }

  /* A tick without a value of its own says "on" as value and "" as default: it is told by its tick. */
  function isTyped(field) {
    return field.type === "checkbox" ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
  }

  /* The provider of an address is looked for while somebody goes on typing: what he wrote into its fields himself is not written over;
     a provider that he chooses by a click is what he wants. */
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target } = event;
    if (target.id !== "provider" || event.detail.requestConfig.elt.closest(".pr-tiles")) return;
    if ([...target.querySelectorAll("input")].some(isTyped)) event.detail.shouldSwap = false;
  });

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-time-zone]").forEach((field) => {
      if (!field.value) field.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
    });
    document.querySelectorAll("select[data-suggests]").forEach(suggest);
    const follow = document.querySelector("a[data-follow]");
    if (follow) location.replace(follow.href);
  });
})();
