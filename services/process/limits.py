"""What one image may cost. Every limit has a unit, a setting and an error of its own."""

from typing import Final

import msgspec

from shared.errors import TooManyBytes, TooManyFilters, TooManyFrames, TooManyPixels

#: Longest side of a picture in pixels: what JPEG, the narrowest of our formats that is not WebP, can hold.
LONGEST_SIDE: Final = 65_535


class Limits(msgspec.Struct, frozen=True):
    """The limits of one image: `bytes` of its file, `pixels` of it at any step, `frames` of it, `filters` in its chain.

    Seconds and memory of an image are watched from outside, by the pool.
    """

    bytes: int = 64 * 1024 * 1024
    pixels: int = 100_000_000
    frames: int = 1_000
    filters: int = 32

    def check_bytes(self, size: int) -> None:
        """Raise TooManyBytes when a file of `size` bytes is too long."""
        if size > self.bytes:
            raise TooManyBytes(f"The image has {size} bytes; at most {self.bytes} are allowed.", allowed=self.bytes)

    def check_pixels(self, width: int, height: int, *, step: str = "") -> None:
        """Raise TooManyPixels for a picture of this size; `step` names the filter that would make it."""
        who = f"filter {step}: the result" if step else "The image"
        if width * height > self.pixels:
            raise TooManyPixels(
                f"{who} has {width}×{height} pixels; at most {self.pixels} are allowed.", allowed=self.pixels
            )
        if max(width, height) > LONGEST_SIDE:
            raise TooManyPixels(
                f"{who} has {width}×{height} pixels; a side has at most {LONGEST_SIDE}.", allowed=LONGEST_SIDE
            )

    def frames_of(self, width: int, height: int) -> int:
        """Frames of this size that an animation may have: the pixels of all of them count together."""
        return max(1, min(self.frames, self.pixels // (width * height)))

    def check_frames(self, count: int, width: int, height: int) -> None:
        """Raise TooManyFrames or TooManyPixels when an animation has too many frames of this size."""
        if count > self.frames:
            raise TooManyFrames(f"The animation has more than {self.frames} frames.", allowed=self.frames)
        if count > self.frames_of(width, height):
            raise TooManyPixels(
                f"The animation has more than {self.pixels} pixels in all its frames.", allowed=self.pixels
            )

    def of_each(self, frames: int) -> "Limits":
        """The limits of each of so many frames, which share the pixels that are allowed."""
        return msgspec.structs.replace(self, pixels=self.pixels // frames) if frames > 1 else self

    def check_filters(self, count: int) -> None:
        """Raise TooManyFilters when a chain has too many of them."""
        if count > self.filters:
            raise TooManyFilters(
                f"A chain has at most {self.filters} filters, this one has {count}.", allowed=self.filters
            )
