"""The command that extracts features like those that are there, for people to type."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ..cache import FeatureSpec
from .sources import typed_location


def extract_command(location: str, spec: FeatureSpec, more: Sequence[str] = ()) -> str:
    """Return the ``featx extract`` that makes features of a spec, as far as the spec says how.

    Parameters
    ----------
    location : str
        Of the source, as its manifest has it.
    spec : FeatureSpec
    more : sequence of str
        Further options.
    """
    height, width = spec.image_size
    # Only networks of the user's own take images that are no squares, and no other size.
    size = ["--size", str(height)] if height == width else []
    options = ["--backbone", spec.backbone, "--layer", spec.layer, "--pool", spec.pool]
    words = [typed_location(location), *options, *size, *more]
    return f"featx extract {shlex.join(words)}"
