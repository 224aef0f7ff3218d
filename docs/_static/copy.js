// Adds a button to each code block that copies its code: of a block with prompts, the lines behind them, without output.
"use strict";

const PROMPT = /^(?:>>> ?|\.\.\. ?|\$ )/;

function codeOf(text) {
  const lines = text.replace(/\n+$/, "").split("\n");
  const typed = lines.filter((line) => PROMPT.test(line));
  return typed.length && PROMPT.test(lines[0]) ? typed.map((line) => line.replace(PROMPT, "")).join("\n") : lines.join("\n");
}

function addButton(block) {
  const button = document.createElement("button");
  button.className = "copy-code";
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(codeOf(block.querySelector("pre").textContent));
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not copied";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  block.append(button);
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("div.highlight").forEach((block) => {
    const language = block.parentElement.className;
    if (block.querySelector("pre") && !/highlight-(text|none)\b/.test(language)) addButton(block);
  });
});
