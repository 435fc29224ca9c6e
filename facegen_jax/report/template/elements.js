// DOM elements. All text is set as text nodes and attributes, never parsed as markup.
const byId = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, ...children);
}

function makeSvg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, ...children);
}

const present = (content) => ![null, undefined, false].includes(content);

// Set attributes, add functions as listeners, append children. Skip null, undefined and false.
function fill(element, attributes, ...children) {
  for (const [name, content] of Object.entries(attributes)) {
    if (typeof content === "function") element.addEventListener(name.slice(2), content);
    else if (content === true) element.setAttribute(name, "");
    else if (present(content)) element.setAttribute(name, content);
  }
  element.append(...children.filter(present));
  return element;
}

function makeThumbnail(image, alt) {
  return make("img", { src: thumbnail(image), alt, loading: "lazy", decoding: "async" });
}

function makeImage(image, alt, attributes = {}) {
  return make("img", { src: image, alt, loading: "eager", decoding: "async", ...attributes });
}

// Append a long list in pages: the next one when the end scrolls into view, or on a click.
// A page holds items of a total weight of `size`; `append` adds items to the document.
function appendInPages(target, list, { size, append, what, weight = () => 1 }) {
  let done = 0;
  const button = make("button", { type: "button", class: "more", onclick: next });
  const observer = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) next();
  });
  function next() {
    const from = done;
    for (let sum = 0; sum < size && done < list.length; done++) sum += weight(list[done]);
    append(list.slice(from, done));
    button.textContent = `More: ${list.length - done} ${what}`;
    observer.disconnect();
    if (done < list.length) observer.observe(button);  // again, as it may still be in view
    else button.remove();
  }
  target.append(button);
  next();
  return observer;
}
