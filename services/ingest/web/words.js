// What an error means for the person in front of the page, and what can be done.

const ADVICE = {
  unsupported_media: "Use a JPEG, PNG, WebP, AVIF, TIFF or GIF picture.",
  corrupt_image: "Open it in another program and save it again, then drop it here.",
  too_many_bytes: "Make the file smaller, or save it with a lower quality, and drop it again.",
  too_many_pixels: "Scale the picture down before you drop it.",
  too_many_frames: "Develop its first picture only, or use a shorter animation.",
  too_many_filters: "Remove some filters from the chain.",
  invalid_request: "Reload the page and drop the pictures again.",
  invalid_event: "Have whoever sent it correct it and send it again; here it can only be dropped.",
  idempotency_conflict: "Drop the pictures again.",
  unknown_filter: "Remove this filter from the chain; the workers do not have it.",
  invalid_parameter: "Correct this value in the chain.",
  source_not_found: "The picture is no longer in the store. Drop it again.",
  timed_out: "Try again, or use fewer or smaller filters for this picture.",
  worker_crashed: "Try again. When it happens again, this picture has something in it that Darkroom cannot read.",
  out_of_memory: "Scale the picture down, or use fewer filters.",
  storage_unavailable: "Nothing was lost. Try again in a moment.",
  overloaded: "Many pictures are waiting. Try again in a moment.",
  no_workers: "Start the process service, then try again.",
  rate_limited: "You sent a lot at once. Try again in a moment.",
  unauthorized: "An API key is needed here.",
  forbidden: "Sign in with a key that may do this.",
  not_done: "Wait until it is done.",
  not_supported: "This Darkroom does not offer that.",
  not_failed: "There is nothing to mend.",
  gave_up: "Several attempts failed. See the dead letters on the Queue page.",
  expired: "It was deleted, or its time was up. Drop the picture again.",
  not_found: "It was deleted, or its time was up. Drop the picture again.",
  unreachable: "Check that it is running and that you are online. It goes on by itself once the connection is back.",
};

const TITLES = {
  unsupported_media: "Not a picture that Darkroom reads",
  corrupt_image: "The picture is damaged",
  too_many_bytes: "The file is too big",
  too_many_pixels: "The picture has too many pixels",
  too_many_frames: "The animation is too long",
  too_many_filters: "Too many filters",
  invalid_request: "The upload was not understood",
  invalid_event: "Not an event that Darkroom reads",
  idempotency_conflict: "Sent before with other pictures",
  unknown_filter: "Unknown filter",
  invalid_parameter: "A value does not fit",
  source_not_found: "The picture is gone",
  timed_out: "It took too long",
  worker_crashed: "The worker crashed on this picture",
  out_of_memory: "It needs too much memory",
  storage_unavailable: "The store does not answer",
  overloaded: "Too much is waiting",
  no_workers: "No worker has started yet",
  rate_limited: "Too many requests",
  unauthorized: "Not allowed",
  forbidden: "Not allowed",
  not_done: "Not done yet",
  not_supported: "Not offered here",
  not_failed: "It did not fail",
  gave_up: "Gave up after several attempts",
  expired: "Expired or deleted",
  not_found: "Not found",
  unreachable: "No connection",
};

/** `{title, detail, advice}` for an error with a `code` and a `message`. */
export function explain(error) {
  return {
    title: TITLES[error.code] ?? "Something went wrong",
    detail: error.message ?? "",
    advice: ADVICE[error.code] ?? "Try again.",
  };
}

/** One line, for announcements and lists. */
export function inWords(error) {
  const { title, detail } = explain(error);
  return detail ? `${title}: ${detail}` : title;
}
