/* The settings and the first run: the theme of pages outside the shell, a consent that is gone to, one's own time zone. */
(() => {
  "use strict";

  const dark = () => {
    let wanted = "";
    try {
      wanted = JSON.parse(localStorage.getItem("adminTheme") || '""');
    } catch { /* nothing that we know is kept there */ }
    return wanted === "dark" || (wanted !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  };

  document.addEventListener("DOMContentLoaded", () => {
    if (document.body.classList.contains("pr-alone")) document.documentElement.classList.toggle("dark", dark());
    document.querySelectorAll("[data-time-zone]").forEach((field) => {
      if (!field.value) field.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
    });
    const follow = document.querySelector("a[data-follow]");
    if (follow) location.replace(follow.href);
  });
})();
