"""How a published backbone resizes and crops its images, as one short text of a FeatureSpec."""

from __future__ import annotations

from dataclasses import dataclass

from ...cache.errors import ConfigError
from ...cache.spec import PUBLISHED_RESIZE

EXACT, SHORTEST, WINDOW, ROUNDED = "exact", "shortest", "window", "rounded"


@dataclass(frozen=True)
class PublishedResize:
    """The resize before a centre crop.

    ``exact:256x256`` stretches an image to a height and a width; ``window:256x256`` takes the
    largest window of that shape in its middle first, as Keras does. ``shortest:256`` keeps its
    shape and brings its shorter side to 256; the longer one is cut to whole pixels. The crop that
    follows begins at half of the difference, rounded down as in Hugging Face's processors; with
    ``:rounded`` to the nearest even number as in torchvision and timm.

    Attributes
    ----------
    height, width : int
        Equal for ``shortest``.
    keeps_shape : bool
    is_rounded : bool
    is_window : bool
    """

    height: int
    width: int
    keeps_shape: bool
    is_rounded: bool = False
    is_window: bool = False

    def __str__(self) -> str:
        size = f"{SHORTEST}:{self.height}" if self.keeps_shape else self._exact
        return f"{size}:{ROUNDED}" if self.is_rounded else size

    @property
    def _exact(self) -> str:
        return f"{WINDOW if self.is_window else EXACT}:{self.height}x{self.width}"

    @classmethod
    def parse(cls, text: str) -> PublishedResize:
        """Read what ``str`` gave; raises ConfigError for anything else."""
        match = PUBLISHED_RESIZE.fullmatch(text)
        keeps_shape = bool(match and match[1] == SHORTEST)
        if not match or keeps_shape != (match[3] is None) or not int(match[2]):
            raise ConfigError(f"unknown resize rule {text!r}")
        height = int(match[2])
        return cls(height, int(match[3] or height), keeps_shape, bool(match[4]), match[1] == WINDOW)

    def window(self, width: int, height: int) -> tuple[slice, slice]:
        """Return the rows and columns of an image that are resized."""
        if not self.is_window:
            return slice(0, height), slice(0, width)
        n_rows = max(1, min(height, int(float(width * self.height) / self.width)))
        n_columns = max(1, min(width, int(float(height * self.width) / self.height)))
        top, left = int((height - n_rows) / 2), int((width - n_columns) / 2)
        return slice(top, top + n_rows), slice(left, left + n_columns)

    def size_of(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height that an image is resized to."""
        if not self.keeps_shape:
            return self.width, self.height
        short, long = min(width, height), max(width, height)
        longer = int(self.height * long / short)
        return (self.height, longer) if width <= height else (longer, self.height)

    def offset(self, n_left_over: int) -> int:
        """Return where the crop begins, of the pixels that are left over on an axis."""
        return round(n_left_over / 2) if self.is_rounded else n_left_over // 2

    def scaled(self, factor: float) -> PublishedResize:
        """Return the rule for images whose sides are ``factor`` times as long."""
        height, width = max(1, round(self.height * factor)), max(1, round(self.width * factor))
        return PublishedResize(height, width, self.keeps_shape, self.is_rounded, self.is_window)
