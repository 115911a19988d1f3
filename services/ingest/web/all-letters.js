// What is done to all dead letters: in pieces, so that it can be followed and stopped. Loaded when it is asked for.

import { get, post, remove } from "./api.js";

const PIECE = 25; // replayed by one request, which the server slows down to its own rate
const PAGE = 200;

/**
 * Puts back every dead letter there is by now, oldest first; one that dies again meanwhile is not put back again.
 * `goesOn(count)` is told how many were, and says whether to go on. Resolves to that number; raises ApiError.
 */
export async function replayAll(goesOn) {
  let count = 0;
  let most = Infinity;
  let cursor = null;
  do {
    const query = new URLSearchParams({ limit: Math.min(PIECE, most - count), ...(cursor && { cursor }) });
    const answer = await patiently(() => post(`/v1/dead-letters/replay?${query}`));
    count += answer.replayed.length;
    if (most === Infinity) most = count + answer.remaining;
    cursor = answer.next;
  } while (goesOn(count) && cursor && count < most);
  return count;
}

/** Removes every dead letter there is by now, newest first, for good. As `replayAll`. */
export async function dropAll(goesOn) {
  let count = 0;
  let cursor = null;
  do {
    const query = new URLSearchParams({ limit: PAGE, ...(cursor && { cursor }) });
    const page = await patiently(() => get(`/v1/dead-letters?${query}`));
    for (const { id } of page.dead_letters) {
      count += await patiently(() => drop(id));
      if (!goesOn(count)) return count;
    }
    cursor = page.next;
  } while (cursor);
  return count;
}

/** 1, or 0 when somebody else has taken it meanwhile. */
async function drop(id) {
  try {
    await remove(`/v1/dead-letters/${encodeURIComponent(id)}`);
    return 1;
  } catch (error) {
    if (error.status === 404) return 0;
    throw error;
  }
}

/** Again when the server says after how long that helps. */
async function patiently(act) {
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (!error.retryAfter) throw error;
      await new Promise((resolve) => setTimeout(resolve, error.retryAfter * 1000));
    }
  }
}
