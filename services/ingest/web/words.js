// What an error means for the person in front of the page, and what can be done.

// By its code: title and advice.
const WORDS = {
  unsupported_media: ["Not a picture that Darkroom reads", "Use a JPEG, PNG, WebP, AVIF, TIFF or GIF picture."],
  corrupt_image: ["The picture is damaged", "Open it in another program and save it again, then drop it here."],
  too_many_bytes: ["The file is too big", "Make the file smaller, or save it with a lower quality, and drop it again."],
  too_many_pixels: ["The picture has too many pixels", "Scale the picture down before you drop it."],
  too_many_frames: ["The animation is too long", "Develop its first picture only, or use a shorter animation."],
  too_many_filters: ["Too many filters", "Remove some filters from the chain."],
  invalid_request: ["The upload was not understood", "Reload the page and drop the pictures again."],
  invalid_event: [
    "Not an event that Darkroom reads",
    "Have whoever sent it correct it and send it again; here it can only be dropped.",
  ],
  idempotency_conflict: ["Sent before with other pictures", "Drop the pictures again."],
  unknown_filter: ["Unknown filter", "Remove this filter from the chain; the workers do not have it."],
  invalid_parameter: ["A value does not fit", "Correct this value in the chain."],
  source_not_found: ["The picture is gone", "The picture is no longer in the store. Drop it again."],
  timed_out: ["It took too long", "Try again, or use fewer or smaller filters for this picture."],
  worker_crashed: [
    "The worker crashed on this picture",
    "Try again. When it happens again, this picture has something in it that Darkroom cannot read.",
  ],
  out_of_memory: ["It needs too much memory", "Scale the picture down, or use fewer filters."],
  storage_unavailable: ["The store does not answer", "Nothing was lost. Try again in a moment."],
  overloaded: ["Too much is waiting", "Many pictures are waiting. Try again in a moment."],
  no_workers: ["No worker has started yet", "Start the process service, then try again."],
  rate_limited: ["Too many requests", "You sent a lot at once. Try again in a moment."],
  unauthorized: ["Not allowed", "An API key is needed here."],
  forbidden: ["Not allowed", "Sign in with a key that may do this."],
  not_done: ["Not done yet", "Wait until it is done."],
  not_supported: ["Not offered here", "This Darkroom does not offer that."],
  not_failed: ["It did not fail", "There is nothing to mend."],
  gave_up: ["Gave up after several attempts", "Several attempts failed. See the dead letters on the Queue page."],
  expired: ["Expired or deleted", "It was deleted, or its time was up. Drop the picture again."],
  not_found: ["Not found", "It was deleted, or its time was up. Drop the picture again."],
  unreachable: [
    "No connection",
    "Check that it is running and that you are online. It goes on by itself once the connection is back.",
  ],
  internal_error: ["A fault of Darkroom", "Try again. When it happens again, its log says what happened."],
};

/** `{title, detail, advice}` for an error with a `code` and a `message`. */
export function explain(error) {
  const [title, advice] = WORDS[error.code] ?? ["Something went wrong", "Try again."];
  return { title, detail: error.message ?? "", advice };
}

/** One line, for announcements and lists. */
export function inWords(error) {
  const { title, detail } = explain(error);
  return detail ? `${title}: ${detail}` : title;
}
