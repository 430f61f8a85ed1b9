/* The settings and the first run: a consent that is gone to, one's own time zone. */
(() => {
  "use strict";

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-time-zone]").forEach((field) => {
      if (!field.value) field.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
    });
    const follow = document.querySelector("a[data-follow]");
    if (follow) location.replace(follow.href);
  });
})();
