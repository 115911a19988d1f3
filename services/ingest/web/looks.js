// Presets (named chains) and the output: format and quality.

import { announce } from "./announce.js";
import { parseShort, writeShort } from "./chain.js";
import { h } from "./dom.js";

/** Buttons that set the whole chain; the one whose chain is on the table is pressed. */
export function showPresets(root, presets, chain) {
  const buttons = presets.map((preset) => {
    const apply = () => {
      const isOn = writeShort(chain.steps) === preset.chain;
      chain.replace(isOn ? [] : parseShort(preset.chain));
      announce(isOn ? "The chain is empty." : `${preset.title}: ${preset.summary}.`);
    };
    return h(
      "button",
      { type: "button", class: "chip", title: preset.summary, data: { preset: preset.name }, on: { click: apply } },
      preset.title,
    );
  });
  const mark = () => {
    const now = writeShort(chain.steps);
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", presets[index].chain === now));
  };
  chain.addEventListener("change", mark);
  root.replaceChildren(...buttons);
  mark();
}

/** Two-way between the chain's output and its fields. Without a choice of quality the server's default holds. */
export function bindOutput({ format, quality, qualityRow, qualityText, qualityReset }, chain) {
  const tell = () =>
    chain.setOutput(format.value, quality.dataset.chosen && format.value !== "png" ? Number(quality.value) : null);
  format.addEventListener("change", tell);
  quality.addEventListener("input", () => {
    quality.dataset.chosen = "yes";
    tell();
  });
  qualityReset.addEventListener("click", () => chain.setOutput(format.value, null));
  const show = () => {
    format.value = chain.format;
    qualityRow.hidden = chain.format === "png";
    if (chain.quality === null) delete quality.dataset.chosen;
    else Object.assign(quality, { value: chain.quality }).dataset.chosen = "yes";
    qualityReset.hidden = chain.quality === null;
    qualityText.textContent = chain.quality ?? "default";
  };
  chain.addEventListener("change", show);
  show();
}
