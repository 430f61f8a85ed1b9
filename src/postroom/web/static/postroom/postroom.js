/* What pages do beyond htmx: frames that fit their mail, live changes, small comforts. No build, no inline code. */
(() => {
  "use strict";

  const each = (root, what, act) => root.querySelectorAll(what).forEach(act);
  const once = (element, name) => !element.dataset[name] && (element.dataset[name] = "1");

  /* ---------- frames: as high as what they show, in the page's colours ---------- */

  function fit(frame) {
    const page = frame.contentDocument;
    if (!page || !page.body) return;
    const grow = () => {
      frame.style.height = Math.ceil(page.documentElement.getBoundingClientRect().height) + "px";
    };
    dress(frame);
    grow();
    new ResizeObserver(grow).observe(page.body);
  }

  function dress(frame) {
    const root = frame.contentDocument && frame.contentDocument.documentElement;
    if (root) root.classList.toggle("dark", document.documentElement.classList.contains("dark"));
  }

  function frames(root) {
    each(root, "iframe.pr-frame", (frame) => {
      if (!once(frame, "fits")) return;
      frame.addEventListener("load", () => fit(frame));
      if (frame.contentDocument && frame.contentDocument.readyState === "complete" && frame.contentDocument.body.childNodes.length) fit(frame);
    });
  }

  new MutationObserver(() => each(document, "iframe.pr-frame", dress)).observe(document.documentElement, {
    attributes: true,
    attributeFilter: ["class"],
  });

  /* ---------- live: one stream a page, its events are triggers for htmx ---------- */

  let stream = null;
  let heard = "";
  let again = null;

  function live() {
    const address = heardBy([...document.querySelectorAll("[data-live]")].map((place) => place.dataset.live));
    if (address === heard || !window.EventSource) return;
    if (stream) stream.close();
    clearTimeout(again);
    heard = address;
    if (address) listen(address, performance.now() > 2000, 2000);
  }

  /* A browser comes back by itself after a stream that ended, but gives up after an error in words of HTTP, as while we restart; then we
     come back, ever more slowly. What was said while nobody heard it is looked for: `isLate`. */
  function listen(address, isLate, pause) {
    stream = new EventSource(address);
    const lamp = (on) => each(document, ".pr-live", (element) => (element.dataset.on = on));
    const listed = () => document.body.dispatchEvent(new Event("postroom:listed"));
    let due = null;
    const changed = () => {
      if (due) return;
      due = setTimeout(() => {
        due = null;
        htmx.trigger(document.body, "postroom:changed");
      }, 150);
    };
    stream.addEventListener("open", () => {
      lamp(true);
      if (isLate) changed(), listed();
      [isLate, pause] = [true, 2000];
    });
    stream.addEventListener("error", () => {
      lamp(false);
      if (stream.readyState !== EventSource.CLOSED) return;
      again = setTimeout(() => listen(address, true, Math.min(2 * pause, 60000)), pause * (1 + Math.random()));
    });
    stream.addEventListener("changed", changed);
    stream.addEventListener("listed", listed);
  }

  /* Lists that show much look once a second at most, and once more after the last change: nothing that came in between is missed. */
  let rest = null;
  let isDue = false;

  function calm() {
    if (rest) return (isDue = true);
    isDue = false;
    rest = setTimeout(() => {
      rest = null;
      if (isDue) calm();
    }, 1000);
    htmx.trigger(document.body, "postroom:calm");
  }

  document.addEventListener("postroom:changed", calm);

  /* A list with a conversation beside it: both are heard of by one stream, as browsers open few. */
  function heardBy(places) {
    const list = places.find((place) => place.endsWith("/live/records/"));
    const record = places.find((place) => place.includes("/live/record/"));
    return list && record ? record.replace("/live/record/", "/live/records/") : list || places[0] || "";
  }

  window.addEventListener("pagehide", () => stream && stream.close());
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    heard = "";
    live();
  });

  /* What a page shows and the record has no more was taken back. */
  document.addEventListener("htmx:afterSwap", (event) => {
    const news = event.target.id === "pr-newer" && event.target.querySelector("template[data-there]");
    if (!news) return;
    const there = news.dataset.there.trim().split(" ").filter(Boolean).map(Number);
    const start = there.length >= 100 ? Math.min(...there) : 0;
    each(document, "#pr-thread > li[id^=message-]", (line) => {
      const number = Number(line.id.slice(8));
      if (number > start && number <= Number(news.dataset.until) && number >= oldest() && !there.includes(number)) line.remove();
    });
  });

  const oldest = () => Number(document.querySelector("#pr-newer input[name=from]").value);

  /* ---------- undo: the seconds run down, then the button goes ---------- */

  function undo(root) {
    each(root, "form.pr-undo", (form) => {
      if (!once(form, "counts")) return;
      const over = performance.now() + form.dataset.left * 1000;
      const tick = () => {
        const left = Math.ceil((over - performance.now()) / 1000);
        if (left < 1 || !form.isConnected) return form.remove();
        form.querySelector("[data-seconds]").textContent = left;
        setTimeout(tick, 200);
      };
      tick();
    });
  }

  /* ---------- small comforts ---------- */

  function bulk(root) {
    each(root, "form.pr-bulk", (bar) => {
      if (!once(bar, "wired")) return;
      const name = bar.getAttribute("id"); /* bar.id would be its fields named "id" */
      const boxes = () => [...document.querySelectorAll(`input[type=checkbox][form="${name}"][name=id]`)];
      const tell = () => {
        const chosen = boxes().filter((box) => box.checked).length;
        bar.hidden = !chosen;
        bar.querySelector("[data-chosen]").textContent = chosen;
        each(document, "[data-all]", (all) => (all.checked = chosen > 0 && chosen === boxes().length));
      };
      document.addEventListener("change", (event) => {
        if (event.target.matches("[data-all]")) boxes().forEach((box) => (box.checked = event.target.checked));
        if (event.target.matches("[data-all]") || event.target.form === bar) tell();
      });
      document.addEventListener("htmx:afterSwap", tell);
      tell();
    });
  }

  function spoken(then) {
    const seconds = (then - Date.now()) / 1000;
    const words = document.querySelector("main.pr").dataset; // the server's own, so that one moment has one name
    if (Math.abs(seconds) < 60) return words.now;
    return (seconds < 0 ? words.ago : words.ahead).replace("{minutes}", Math.trunc(Math.abs(seconds) / 60));
  }

  function clocks() {
    each(document, ".pr time[datetime]", (time) => {
      const then = Date.parse(time.dateTime);
      if (Math.abs(then - Date.now()) < 3600e3) time.textContent = spoken(then);
    });
  }

  /* The text of the element that data-copy names, or the whole address of data-copy-link. Without TLS a browser gives no clipboard: then it is done in the old way. */
  async function copy(button) {
    const { copy: place, copyLink: address } = button.dataset;
    const text = address ? new URL(address, location.href).href : document.getElementById(place).textContent;
    const label = button.querySelector("[data-label]");
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const field = Object.assign(document.createElement("textarea"), { value: text, className: "pr-hide" });
      button.after(field);
      field.select();
      const done = document.execCommand("copy");
      field.remove();
      button.focus();
      if (!done) return;
    }
    label.dataset.before ||= label.textContent;
    label.textContent = button.dataset.done;
    setTimeout(() => (label.textContent = label.dataset.before), 2000);
  }

  /* The notice that nothing leaves folds to a sign in the bar above, which stays. The browser remembers it until it is closed. */
  function strip(how) {
    const isFolded = how === "folded";
    document.cookie = `postroom_strip=${how}; path=/; SameSite=Lax${location.protocol === "https:" ? "; Secure" : ""}`;
    document.getElementById("pr-capture-strip").hidden = isFolded;
    const sign = document.querySelector(".pr-captured");
    sign.hidden = !isFolded;
    (isFolded ? sign : document.querySelector("#pr-capture-strip .fold")).focus();
    window.dispatchEvent(new Event("resize")); /* what is as high as the window leaves it measures again */
  }

  document.addEventListener("click", (event) => {
    each(document, "details.pr-pop[open]", (open) => {
      if (!open.contains(event.target)) open.open = false;
    });
    if (!event.target.closest(".pr-picker")) each(document, ".pr-found", (found) => found.replaceChildren());
    const asks = event.target.closest("[data-confirm]");
    if (asks && !window.confirm(asks.dataset.confirm)) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
    const every = event.target.closest("form[data-confirm-every] button");
    if (every && every.form.elements.every?.checked && !window.confirm(every.form.dataset.confirmEvery)) event.preventDefault();
    const drop = event.target.closest("[data-drop]");
    if (drop) {
      drop.closest("[data-dropped]").remove();
      htmx.trigger(document.body, "postroom:people");
    }
    const folds = event.target.closest("[data-strip]");
    if (folds) strip(folds.dataset.strip);
    const copies = event.target.closest("[data-copy], [data-copy-link]");
    if (copies) copy(copies);
    const reveal = event.target.closest("[data-toggle]");
    if (reveal) document.getElementById(reveal.dataset.toggle).toggleAttribute("hidden");
  }, true);

  /* What opens at the edge of the window is brought into it. */
  document.addEventListener("toggle", (event) => {
    if (event.target.matches("details.pr-pop[open]")) event.target.querySelector(":scope > .panel")?.scrollIntoView({ block: "nearest" });
  }, true);

  /* What was chosen stands beside the button. */
  document.addEventListener("change", (event) => {
    if (!event.target.matches("input[data-names]")) return;
    event.target.closest(".pr-files-field").querySelector("output").textContent = [...event.target.files].map((file) => file.name).join(", ");
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    each(document, "details.pr-pop[open]", (open) => {
      open.open = false;
      open.querySelector("summary").focus();
    });
    each(document, ".pr-found", (found) => found.replaceChildren());
  });

  /* What somebody has ticked is not swept away by what has changed meanwhile. */
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target.id === "pr-rows" && event.detail.target.querySelector("input:checked")) event.detail.shouldSwap = false;
  });

  /* Somebody was chosen: the list under the field has done its work. */
  document.addEventListener("htmx:afterOnLoad", (event) => {
    const picker = event.detail.elt.closest(".pr-picker");
    if (!picker || event.detail.elt.matches("input")) return;
    each(picker, "input[type=search]", (field) => (field.value = ""));
    each(picker, ".pr-found", (found) => found.replaceChildren());
    const pop = picker.closest("details.pr-pop");
    if (pop) pop.open = false;
  });

  /* A refused change (403, 409, 422) still brings a page's piece that says why. */
  document.addEventListener("htmx:beforeSwap", (event) => {
    if ([403, 409, 413, 422].includes(event.detail.xhr.status) && event.detail.xhr.getResponseHeader("X-Postroom-Piece")) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
  });

  function wire(root) {
    each(root, "input[type=file]", (field) => (field.hasChangeListener = true)); /* or unfold looks for its own widget around it, and fails */
    frames(root);
    bulk(root);
    undo(root);
  }

  document.addEventListener("DOMContentLoaded", () => {
    if (matchMedia("(max-width: 1080px)").matches) each(document, "details[data-fold]", (fold) => (fold.open = false));
    each(document, ".pr-tabs [aria-current]", (tab) => {
      const tabs = tab.closest(".pr-tabs");
      tabs.scrollLeft += tab.getBoundingClientRect().right - tabs.getBoundingClientRect().right + 4; /* to the right alone: it cannot be less than 0 */
    });
    wire(document);
    live();
    clocks();
    setInterval(clocks, 30e3);
  });
  document.addEventListener("htmx:load", (event) => {
    wire(event.detail.elt);
    live();
  });
})();
