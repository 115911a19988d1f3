// The filters that the workers offer, with their parameters made ready for controls.

import { get } from "./api.js";
import { title } from "./format.js";

// Above this many values a slider is too coarse to be useful.
const WIDEST_SLIDER = 2000;
// A slider whose default would sit in its first fifth ends at this many times the default; the number field goes on.
const REACH = 4;

/** Map of name → `{name, summary, parameters: [parameter]}`; raises ApiError. */
export async function loadCatalogue() {
  const { filters } = await get("/v1/filters");
  return new Map(filters.map((filter) => [filter.name, { ...filter, parameters: readParameters(filter.parameters) }]));
}

function readParameters(schema) {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).map(([key, property]) =>
    readParameter(key, property, schema, required.has(key)),
  );
}

/**
 * One parameter: `{key, title, summary, unit, kind, optional, fallback, minimum, maximum, reach, step, choices}`, where kind is number,
 * choice, switch or text, `fallback` is the value it has when it is left out and `reach` is where its slider ends.
 */
function readParameter(key, property, schema, isRequired) {
  const variants = (property.anyOf ?? property.oneOf ?? [property]).map((variant) => resolve(variant, schema));
  const optional = variants.some((variant) => variant.type === "null");
  const main = { ...property, ...variants.find((variant) => variant.type !== "null") };
  const parameter = {
    key,
    title: property.title ?? title(key),
    summary: property.description ?? main.description ?? "",
    unit: property.unit ?? property["x-unit"] ?? main.unit ?? "",
    kind: kindOf(main),
    optional: optional || (!isRequired && property.default === undefined),
    fallback: property.default ?? main.default ?? null,
    choices: main.enum ?? (main.const === undefined ? [] : [main.const]),
    ...limitsOf(main),
  };
  parameter.reach = reachOf(parameter);
  if (isRequired && parameter.fallback === null) parameter.initial = firstValue(parameter);
  return parameter;
}

function resolve(variant, schema) {
  return variant.$ref ? (schema.$defs?.[variant.$ref.split("/").at(-1)] ?? {}) : variant;
}

function kindOf(property) {
  if (property.enum || property.const !== undefined) return "choice";
  if (property.type === "boolean") return "switch";
  return property.type === "integer" || property.type === "number" ? "number" : "text";
}

function limitsOf(property) {
  const whole = property.type === "integer";
  const minimum =
    property.minimum ??
    (property.exclusiveMinimum === undefined ? null : property.exclusiveMinimum + (whole ? 1 : 0.01));
  const maximum =
    property.maximum ??
    (property.exclusiveMaximum === undefined ? null : property.exclusiveMaximum - (whole ? 1 : 0.01));
  const isOdd = whole && property.not?.multipleOf === 2;
  const step = property.multipleOf ?? (isOdd ? 2 : whole ? 1 : fineStep(minimum, maximum));
  const slides = minimum !== null && maximum !== null && (maximum - minimum) / step <= WIDEST_SLIDER;
  return { minimum, maximum, step, whole, slides };
}

function reachOf({ minimum, maximum, fallback }) {
  const isLong = minimum !== null && minimum >= 0 && fallback > 0 && maximum >= 50 && maximum > fallback * (REACH + 1);
  return isLong ? fallback * REACH : maximum;
}

function fineStep(minimum, maximum) {
  if (minimum === null || maximum === null) return 0.1;
  const reach = maximum - minimum;
  return reach > 100 ? 1 : reach > 10 ? 0.1 : 0.01;
}

function firstValue(parameter) {
  if (parameter.kind === "choice") return parameter.choices[0];
  if (parameter.kind === "switch") return false;
  if (parameter.kind === "text") return "";
  return Math.min(parameter.maximum ?? 800, Math.max(parameter.minimum ?? 0, 800));
}
