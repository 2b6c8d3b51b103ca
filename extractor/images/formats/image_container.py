"""What a picture's file holds, taken apart without decoding a pixel."""

from __future__ import annotations

from dataclasses import dataclass

from .exif import orientation_of
from .tiff.samples import TiffSamples

Range = tuple[float, float]


@dataclass(frozen=True)
class ImageContainer:
    """One file: the part that decides its pixels, and the few metadata that featx obeys.

    Attributes
    ----------
    data : bytes
        The file without metadata, for the decoder. A damaged or huge text, profile or EXIF block
        cannot lose an image whose pixels are whole.
    kind : str
        Name of the format; empty where Pillow shall find out.
    exif, xmp : bytes
        Blocks that may state the orientation.
    n_pictures : int
        Frames or pages of full resolution; the first is decoded.
    unit : str
        ``frames`` or ``pages``.
    sample_format : str
        ``uint``, ``int`` or ``float`` where the file states it; else empty.
    bits : int
        Bits of one value as it is stored.
    stated_range : tuple of float or None
        Least and largest value that the file says are used.
    samples : TiffSamples or None
        What reads the pixels where Pillow has no mode for them.
    white_is_zero : bool
        Whether deep grey values still have to be inverted.
    damage : str
        What of the metadata is damaged and was left out; empty for nothing.
    needs_whole : bool
        Whether a scaled decoding still needs memory for the image in its full size.
    is_draft_allowed : bool
        Whether a JPEG of ordinary size may be decoded at a smaller scale.
    """

    data: bytes
    kind: str = ""
    exif: bytes = b""
    xmp: bytes = b""
    n_pictures: int = 1
    unit: str = "frames"
    sample_format: str = ""
    bits: int = 8
    stated_range: Range | None = None
    samples: TiffSamples | None = None
    white_is_zero: bool = False
    damage: str = ""
    needs_whole: bool = True
    is_draft_allowed: bool = True

    @property
    def orientation(self) -> int:
        """Orientation as EXIF counts it, 1 (upright) to 8."""
        return orientation_of(self.exif, self.xmp)

    @property
    def is_shallow(self) -> bool:
        """Whether the file certainly has 8 bits a value or fewer."""
        is_deep = self.bits > 8 or self.sample_format == "int"
        return bool(self.kind) and not is_deep

    @property
    def remark(self) -> str:
        """What a person should know of a picture that was read; empty for most."""
        if self.n_pictures > 1:
            return f"several {self.unit} in one file: the first was taken"
        return self.damage
