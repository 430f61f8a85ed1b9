/* The envelope's dialog, charts that speak, and live pieces that change only when something has changed. No build, no inline code. */
(() => {
  "use strict";

  const each = (root, what, act) => root.querySelectorAll(what).forEach(act);
  const once = (element, name) => !element.dataset[name] && (element.dataset[name] = "1");

  /* ---------- the dialog: a link that says data-dialog opens in it; without this script it is a page ---------- */

  let opener = "";

  function show(link) {
    const dialog = document.getElementById("pr-dialog");
    const body = dialog?.querySelector("[data-dialog-body]");
    if (!body || !dialog.showModal) return false;
    opener = link.id;
    each(document, "details.pr-pop[open]", (open) => (open.open = false));
    body.replaceChildren();
    const wait = document.createElement("p");
    wait.className = "pr-waits";
    wait.textContent = "…";
    body.append(wait);
    if (!dialog.open) dialog.showModal();
    htmx.ajax("GET", link.href, { target: body, swap: "innerHTML" });
    return true;
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-dialog]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0) {
      if (show(link)) event.preventDefault();
    }
    const dialog = event.target.closest("dialog.pr-dialog");
    if (dialog && event.target === dialog) dialog.close(); /* the room around it */
  });

  function dialogs(root) {
    each(root, "dialog.pr-dialog", (dialog) => {
      if (!once(dialog, "wired")) return;
      /* The link may have been drawn anew meanwhile: then its successor has the focus. */
      dialog.addEventListener("close", () => {
        dialog.querySelector("[data-dialog-body]").replaceChildren();
        const link = opener && document.getElementById(opener);
        if (link) link.focus();
      });
    });
  }

  document.addEventListener("postroom:settled", () => document.getElementById("pr-dialog")?.close());

  /* An address that was corrected asks whether the contact shall have it, too. */
  function mending(root) {
    each(root, "[data-mend]", (box) => {
      const field = box.querySelector("[data-was]");
      const keep = box.querySelector(".pr-keep");
      if (!field || !once(box, "wired")) return;
      const look = () => keep && (keep.hidden = field.value.trim() === field.dataset.was);
      field.addEventListener("input", look);
      look();
    });
  }

  /* ---------- charts: arrow keys and the pointer tell the hour ---------- */

  function charts(root) {
    each(root, "[data-chart]", (chart) => {
      if (!once(chart, "wired")) return;
      const picture = chart.querySelector(".picture");
      const tip = chart.querySelector(".pr-tip");
      const hours = [...chart.querySelectorAll("g[data-says]")];
      let at = -1;
      const tell = (place) => {
        hours[at]?.classList.remove("on");
        at = place;
        hours[at]?.classList.add("on");
        tip.textContent = hours[at]?.dataset.says || "";
      };
      picture.addEventListener("keydown", (event) => {
        const steps = { ArrowLeft: Math.max(0, (at < 0 ? hours.length : at) - 1), ArrowRight: Math.min(hours.length - 1, at + 1), Home: 0, End: hours.length - 1, Escape: -1 };
        if (!(event.key in steps)) return;
        event.preventDefault();
        tell(steps[event.key]);
      });
      picture.addEventListener("blur", () => tell(-1));
      picture.addEventListener("pointerleave", () => tell(-1));
      hours.forEach((hour, place) => hour.addEventListener("pointerenter", () => tell(place)));
    });
  }

  /* ---------- calm: a live piece that would look as it looks is left alone, and so is one in which somebody is ---------- */

  const plain = (html) => html.replace(/name="csrfmiddlewaretoken" value="[^"]*"/g, "").replace(/<time [^>]*>[^<]*<\/time>/g, "").replace(/\s+/g, " ").trim();
  const shown = new WeakMap();

  document.addEventListener("htmx:beforeSwap", (event) => {
    const target = event.detail.target;
    if (!target.matches?.("[data-calm]") || event.detail.xhr.status !== 200) return;
    const fresh = plain(event.detail.xhr.responseText);
    if (shown.get(target) === fresh || target.querySelector("details[open], .picture:focus")) event.detail.shouldSwap = false;
    else shown.set(target, fresh);
  });

  function wire(root) {
    dialogs(root);
    mending(root);
    charts(root);
  }

  document.addEventListener("DOMContentLoaded", () => wire(document));
  document.addEventListener("htmx:load", (event) => wire(event.detail.elt));
})();
