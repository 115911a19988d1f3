// One control for one parameter of a filter, made from its JSON Schema.

import { h, iconButton } from "./dom.js";
import { title } from "./format.js";

let nextId = 1;

/** `onChange(value)` gets undefined for the default. `value` is what the chain holds, undefined for the default. */
export function parameterControl(parameter, value, onChange) {
  const id = `c${nextId++}`;
  const make = { number: numberFields, choice: choiceField, switch: switchField, text: textField }[parameter.kind];
  const note = parameter.summary && h("span", { class: "unseen", id: `${id}-note` }, parameter.summary);
  const base = parameter.initial ?? parameter.fallback;
  const tell = (next) => {
    const isBase = next === undefined || next === base;
    reset.hidden = isBase;
    onChange(isBase ? parameter.initial : next);
  };
  const reset = iconButton("reset", `${parameter.title}: back to the default`, () => {
    set(base ?? "");
    tell(undefined);
  });
  const { fields, set } = make({ id, parameter, describedBy: note ? note.id : null, tell });
  set(value ?? base ?? "");
  reset.hidden = value === undefined || value === base;
  const unit = parameter.unit && h("span", { class: "unit" }, parameter.unit);
  return h(
    "div",
    { class: `control control-${parameter.kind}` },
    h("label", { htmlFor: id, title: parameter.summary }, parameter.title, " ", unit),
    h("div", { class: "control-fields" }, fields, reset),
    note,
  );
}

function numberFields({ id, parameter, describedBy, tell }) {
  const { minimum, maximum, step, whole } = parameter;
  const limits = { min: minimum ?? "", max: maximum ?? "", step };
  const number = h("input", {
    type: "number",
    id,
    inputMode: whole ? "numeric" : "decimal",
    placeholder: parameter.optional ? "auto" : "",
    "aria-describedby": describedBy,
    ...limits,
  });
  // The number field is the one that is read out; the slider is the same value for the pointer.
  const slider = parameter.slides
    ? h("input", { type: "range", "aria-label": `${parameter.title}, slider`, ...limits, max: parameter.reach })
    : null;
  const slide = (next) => {
    if (!slider) return;
    slider.max = Math.max(parameter.reach, next);
    slider.value = next === "" ? minimum : next;
  };
  const fit = (text) => {
    const next = Number.parseFloat(text);
    if (Number.isNaN(next)) return null;
    const base = minimum ?? 0;
    const stepped = base + Math.round((next - base) / step) * step;
    return Number(
      Math.min(maximum ?? Infinity, Math.max(minimum ?? -Infinity, whole ? Math.round(stepped) : stepped)).toFixed(4),
    );
  };
  slider?.addEventListener("input", () => {
    number.value = slider.value;
    tell(fit(slider.value));
  });
  number.addEventListener("change", () => {
    const next = fit(number.value);
    number.value = next ?? (parameter.optional ? "" : (parameter.initial ?? parameter.fallback));
    slide(number.value);
    tell(next ?? undefined);
  });
  const set = (next) => {
    number.value = next;
    slide(next);
  };
  return { fields: [slider, number], set };
}

function choiceField({ id, parameter, describedBy, tell }) {
  const options = parameter.choices.map((choice, index) =>
    h("option", { value: index }, typeof choice === "string" ? title(choice) : String(choice)),
  );
  if (parameter.optional) options.unshift(h("option", { value: "" }, "auto"));
  const select = h(
    "select",
    { id, "aria-describedby": describedBy, on: { change: () => tell(parameter.choices[select.value]) } },
    options,
  );
  const set = (next) => {
    const index = parameter.choices.indexOf(next);
    select.value = index < 0 ? "" : index;
  };
  return { fields: [select], set };
}

function switchField({ id, describedBy, tell }) {
  const box = h("input", {
    type: "checkbox",
    id,
    class: "switch",
    role: "switch",
    "aria-describedby": describedBy,
    on: { change: () => tell(box.checked) },
  });
  return {
    fields: [box],
    set: (next) => {
      box.checked = next === true;
    },
  };
}

function textField({ id, describedBy, tell }) {
  const text = h("input", {
    type: "text",
    id,
    "aria-describedby": describedBy,
    on: { change: () => tell(text.value.trim() || undefined) },
  });
  return {
    fields: [text],
    set: (next) => {
      text.value = next;
    },
  };
}
