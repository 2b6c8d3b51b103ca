"""Compiled parts: C code that speeds Python up, and whether this installation has it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class CompiledPart:
    """One optional C module; without it, the same work is done in Python or by a library.

    Attributes
    ----------
    name : str
    module : str
        Its full name.
    slower : str
        A sentence: what is slower without it.
    """

    name: str
    module: str
    slower: str

    @property
    def is_in_use(self) -> bool:
        """Whether it was built when featx was installed."""
        try:
            import_module(self.module)
        except ImportError:
            return False
        return True


HOW_TO_HAVE = "install a C compiler, then install featx again"

RESIZE = CompiledPart(
    name="resize",
    module="featx.extractor.images._resample",
    slower="Pillow resizes images, which takes about three times as long",
)

ROTATE = CompiledPart(
    name="rotate",
    module="featx.extractor.views._rotate",
    slower="NumPy rotates random views of images, which takes about twenty times as long",
)

IMAGE_PARTS = (RESIZE, ROTATE)
"""The C code of everything before a backbone."""
