// The signature debugger: sends what was pasted, shows the answer. Keeps nothing.
"use strict";

const form = document.querySelector("form.debugger");
const answer = document.getElementById("answer");
const examples = JSON.parse(form.dataset.examples);

for (const button of document.querySelectorAll("button[data-example]")) {
  button.addEventListener("click", () => {
    form.reset();
    for (const [name, value] of Object.entries(examples[button.dataset.example])) {
      form.elements[name].value = value;
    }
    form.requestSubmit();
  });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const asked = { method: form.elements.method.value, path: form.elements.path.value.trim() };
  asked.headers = form.elements.headers.value;
  await take(asked, "body");
  if (form.elements.string_to_sign.value || form.elements.string_to_sign_file.files.length) {
    await take(asked, "string_to_sign");
  }
  try {
    const response = await fetch("/docs/signing/explanations", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(asked),
    });
    const told = await response.json();
    show(response.ok ? report(told) : [verdict(false, told.detail || told.title)]);
  } catch (error) {
    show([verdict(false, `没有应答 / no answer: ${error.message}`)]);
  }
});

// A file says the exact bytes; a text area has had its line ends rewritten by the browser.
async function take(asked, name) {
  const [file] = form.elements[`${name}_file`].files;
  if (!file) {
    asked[name] = form.elements[name].value;
    return;
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  asked[`${name}_base64`] = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

function show(parts) {
  answer.replaceChildren(...parts);
  answer.hidden = false;
  answer.scrollIntoView({ block: "start" });
}

function report(told) {
  const parts = [
    verdict(told.holds, told.holds ? "签名正确 / the signature holds" : "签名不符 / the signature does not hold"),
    list(told.checks),
  ];
  if (told.mistakes.length) {
    parts.push(element("h2", {}, "正是这样得到了你的签名 ", element("small", {}, "This makes exactly your signature")));
    parts.push(list(told.mistakes));
  }
  parts.push(element("h2", {}, "待签字符串 ", element("small", {}, "The string to sign")));
  parts.push(table(told.lines));
  parts.push(element("p", {}, "请求体 / body: ", element("code", {}, `${told.body_bytes} bytes`), " SHA-256 ", element("code", {}, told.body_sha256)));
  if (told.expected_signature) {
    parts.push(element("p", {}, "应有的签名 / expected signature: ", element("code", {}, told.expected_signature)));
  }
  return parts;
}

function verdict(good, text) {
  return element("p", { className: good ? "verdict" : "verdict bad" }, text);
}

function list(said) {
  const rows = said.map((each) => element("li", { className: each.state }, `${each.zh} / ${each.en}`));
  return element("ul", { className: "checks" }, ...rows);
}

function table(lines) {
  const compared = lines.some((line) => line.theirs !== null);
  const heads = ["", "应为 / ours", ...(compared ? ["你的 / yours"] : [])];
  const rows = lines.map((line) => {
    const cells = [element("td", {}, `${line.zh} ${line.en}`), element("td", {}, ...marked(line.ours, line.at))];
    if (compared) cells.push(element("td", {}, ...marked(line.theirs, line.at)));
    return element("tr", { className: line.at ? "differs" : "" }, ...cells);
  });
  return element("table", { className: "compare" },
    element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", {}, head)))),
    element("tbody", {}, ...rows));
}

// Counted in characters as the server counts them, not in halves of surrogate pairs.
function marked(text, at) {
  const characters = Array.from(text);
  if (!at || at > characters.length) return at ? [text, element("mark", {}, " ")] : [text];
  return [
    characters.slice(0, at - 1).join(""),
    element("mark", {}, characters[at - 1]),
    characters.slice(at).join(""),
  ];
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
