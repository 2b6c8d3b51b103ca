from collections.abc import Sequence
from typing import Any

def learn(
    networks: Sequence[tuple[Any, int, int, bool, float, float, float, int]],
    views: Sequence[tuple[float, int]],
    data: tuple[Any, Any, Any, Any],
    sizes: tuple[int, int, int, int, int],
    n_threads: int,
    units: str = "",
    /,
) -> list[float]: ...
def multiplies_bfloat16() -> bool: ...
