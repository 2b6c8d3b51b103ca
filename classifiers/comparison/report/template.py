"""Templates of pages: files beside a module, filled with values that are escaped, and one style."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

TEMPLATES = "templates"


def fill(package: str, name: str, context: dict[str, Any]) -> str:
    """Return a template of a package's folder ``templates``, filled with ``context`` and ``css``.

    It may import templates that lie beside it.
    """
    return str(_environment(package).get_template(name).render(**context, css=read("page.css")))


def read(name: str, package: str = __package__) -> str:
    """Return the text of a file in a package's folder ``templates``."""
    return files(package).joinpath(TEMPLATES, name).read_text(encoding="utf-8")


@cache
def _environment(package: str) -> Any:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        loader=FunctionLoader(lambda name: read(name, package)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
