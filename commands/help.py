"""Help texts: commands in groups, and options that list the entries of a registry."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

# The groups of commands, in the order of their use; each is a folder beside this file.
FEATURES, MODELS, JUDGING, USE = "Features", "Models", "Judging", "Use"


class GroupedHelp(TyperGroup):
    """A group of commands whose help shows them under headings: their ``rich_help_panel``."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each heading."""
        limit = formatter.width - 6 - max(map(len, self.commands))
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            heading = getattr(command, "rich_help_panel", None) or "Commands"
            sections.setdefault(str(heading), []).append((name, command.get_short_help_str(limit)))
        for heading, rows in sections.items():
            with formatter.section(heading):
                formatter.write_dl(rows)


class RegistryHelp(TyperCommand):
    """A command in whose options' help a registry's name in braces stands for all of its entries.

    The registries need NumPy, which a command line that is only parsed does not wait for.
    """

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Fill the lists in, and write the help."""
        for parameter in self.params:
            text = getattr(parameter, "help", None)
            if text and "{" in text:
                parameter.help = text.format(**_lists())  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


def _lists() -> dict[str, str]:
    from ..classifiers.baselines.networks import NETWORKS
    from ..classifiers.heads.registry import HEADS
    from ..classifiers.models.export import FORMATS as GRAPH_FORMATS
    from ..classifiers.scoring.outputs.formats import BY_ENDING, FORMATS
    from ..classifiers.scoring.outputs.provenance import COLUMNS
    from ..classifiers.selection.metrics import METRICS
    from ..classifiers.selection.metrics.of_class import FORMS
    from ..extractor.engines import ENGINE_NAMES

    return {
        "columns": _joined(list(COLUMNS)),
        "endings": _joined(list(BY_ENDING)),
        "engines": _joined(list(ENGINE_NAMES)),
        "formats": _joined(list(FORMATS)),
        "graph_formats": _joined(list(GRAPH_FORMATS)),
        "heads": _joined(list(HEADS)),
        "metrics": _joined([*METRICS, *FORMS]),
        "networks": _joined(list(NETWORKS)),
    }


def _joined(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
