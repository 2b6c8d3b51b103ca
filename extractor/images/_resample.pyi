from typing import Any

def resize_rgb(
    pixels: Any,
    size: tuple[int, int],
    out: Any,
    out_size: tuple[int, int],
    box: tuple[float, float, float, float],
    units: str = "",
    /,
) -> None: ...
