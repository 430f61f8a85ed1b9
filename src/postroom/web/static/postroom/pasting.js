/* What may stand in the editor: pasted HTML is cut down to what a mail needs; our own words keep their look. No build, no inline code.

   Laws: nothing active survives (DOMPurify decides, and the server again); no picture of another host; pasted text takes no fonts, colours
   or sizes along; bold, italic, struck through, lists, links, quotations and tables stay, whatever program they come from. */
(() => {
  "use strict";

  const purify = window.DOMPurify(window);
  const PLACES = /^\/(?:draft|scheduled)\/file\/\d+\/$/;
  const PICTURES = /^data:image\/(?:png|jpeg|gif|webp);base64,/i;
  const LINKS = /^(?:https?|mailto|tel):/i;
  const TAGS = ["a", "b", "blockquote", "br", "caption", "code", "del", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "li",
    "ol", "p", "pre", "s", "span", "strike", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul"];
  const ATTRIBUTES = ["href", "src", "alt", "colspan", "rowspan", "style", "class", "data-mention", "align", "width", "height", "bgcolor",
    "valign", "cellpadding", "cellspacing", "border"];
  const BLOCK = "p, div, ul, ol, table, blockquote, h1, h2, h3, h4, h5, h6, pre, hr";
  const KEPT = { A: ["href"], IMG: ["src", "alt"], TD: ["colspan", "rowspan"], TH: ["colspan", "rowspan"], SPAN: ["data-mention", "contenteditable"] };

  purify.addHook("uponSanitizeAttribute", (node, data) => {
    if (data.attrName === "src") data.keepAttr = node.nodeName === "IMG" && (PLACES.test(data.attrValue) || PICTURES.test(data.attrValue));
    if (data.attrName === "href") data.keepAttr = LINKS.test(data.attrValue.trim());
    if (data.attrName === "data-mention") data.keepAttr = node.nodeName === "SPAN" && /^\d+$/.test(data.attrValue);
  });

  function harmless(html) {
    return purify.sanitize(html, {
      ALLOWED_TAGS: TAGS, ALLOWED_ATTR: ATTRIBUTES, ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false, ALLOW_UNKNOWN_PROTOCOLS: true,
      RETURN_DOM_FRAGMENT: true,
    });
  }

  /* Our own words (drafts, templates, quotations) as they are. */
  function own(html) {
    const made = harmless(html);
    whole(made);
    return document.importNode(made, true);
  }

  /* Words from elsewhere. */
  function pasted(html) {
    const made = harmless(html);
    const all = (what) => [...made.querySelectorAll(what)];
    all("b, strong").filter((node) => /^(normal|[1-5]00)$/.test(node.style.fontWeight)).forEach(unwrap); /* Google's outermost */
    wordLists(made);
    all("[style]").forEach(meaning);
    all("h1, h2, h3, h4, h5, h6").forEach(heading);
    all("div").reverse().forEach((node) => (node.querySelector(BLOCK) ? unwrap(node) : rename(node, "p")));
    whole(made);
    all("*").forEach((node) => {
      const kept = KEPT[node.nodeName] || [];
      [...node.attributes].filter((one) => !kept.includes(one.name)).forEach((one) => node.removeAttribute(one.name));
    });
    all("span:not([data-mention])").forEach(unwrap);
    all("p").filter((node) => !node.textContent.trim() && !node.querySelector("img, br")).forEach((node) => node.remove());
    return document.importNode(made, true);
  }

  /* Pictures that did not stay leave their name; who is mentioned stands as one. */
  function whole(made) {
    made.querySelectorAll("img:not([src])").forEach((node) => node.replaceWith(node.alt ? `[${node.alt}]` : ""));
    made.querySelectorAll("a:not([href])").forEach(unwrap);
    made.querySelectorAll("span[data-mention]").forEach((node) => node.setAttribute("contenteditable", "false"));
  }

  /* Word writes lists as paragraphs with a bullet in front. */
  function wordLists(made) {
    let list = null;
    made.querySelectorAll("p").forEach((node) => {
      const style = node.getAttribute("style") || "";
      if (!/mso-list:\s*(?!Ignore)\S/i.test(style)) {
        list = null;
        return;
      }
      const bullet = [...node.querySelectorAll("span")].find((one) => /mso-list:\s*Ignore/i.test(one.getAttribute("style") || ""));
      const tag = bullet && /^\s*[\da-z]+[.)]/i.test(bullet.textContent) ? "OL" : "UL";
      if (bullet) bullet.remove();
      const item = document.createElement("li");
      item.append(...node.childNodes);
      if (list && list.nodeName === tag && list.nextElementSibling === node) {
        list.append(item);
        node.remove();
      } else {
        list = document.createElement(tag);
        list.append(item);
        node.replaceWith(list);
      }
    });
  }

  /* What a style says that has an element of its own. */
  function meaning(node) {
    const { fontWeight, fontStyle, textDecoration } = node.style;
    if (node.matches(BLOCK + ", table, tr, td, th, li, img, a")) return;
    if (/^(bold|bolder|[6-9]00)$/.test(fontWeight)) wrap(node, "b");
    if (/italic|oblique/.test(fontStyle)) wrap(node, "i");
    if (textDecoration.includes("line-through")) wrap(node, "s");
  }

  function heading(node) {
    const bold = document.createElement("b");
    bold.append(...node.childNodes);
    node.append(bold);
    rename(node, "p");
  }

  function wrap(node, tag) {
    const made = document.createElement(tag);
    made.append(...node.childNodes);
    node.append(made);
  }

  function rename(node, tag) {
    const made = document.createElement(tag);
    made.append(...node.childNodes);
    node.replaceWith(made);
  }

  function unwrap(node) {
    node.replaceWith(...node.childNodes);
  }

  window.PostroomPasting = Object.freeze({ own, pasted, PICTURES });
})();
