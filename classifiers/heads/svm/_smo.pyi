from typing import Any

def solve(
    blocks: tuple[Any, Any, Any, Any],
    sizes: tuple[int, int],
    bound: Any,
    alpha: Any,
    tol: float,
    max_iter: int,
    stop: Any,
    /,
) -> tuple[int, bool, float]: ...
