// A chain in its short form, as code that breaks between filters when it is long.

import { stepsOf, writeShort } from "./chain.js";
import { h } from "./dom.js";

export function chainCode(job) {
  const parts = stepsOf(job).map((step) => writeShort([step]));
  return h(
    "code",
    {},
    parts.flatMap((part, index) => (index < parts.length - 1 ? [`${part},`, h("wbr")] : [part])),
  );
}
