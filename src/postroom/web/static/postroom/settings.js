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

  /* The provider of an address is looked for while somebody goes on typing: what he wrote into its fields himself is not written over. */
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target } = event;
    if (target.id !== "provider") return;
    if ([...target.querySelectorAll("input")].some((field) => field.value !== field.defaultValue)) event.detail.shouldSwap = false;
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
