"""featx config: which options are set, and where."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common import JsonOption, answer, draw_table
from ..config_file import find_config

if TYPE_CHECKING:
    from rich.console import Console

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
DEFAULT = "default"
HIDDEN = {"help", "as_json"}


@dataclass(frozen=True)
class Setting:
    """The value that one option of a command has, and who set it.

    Attributes
    ----------
    command : str
        Without ``featx``, such as ``cache ls``.
    option : str
        As it is typed; an argument in capitals.
    value : object
        As in JSON; None where nothing is set.
    origin : str
        ``option``, the name of an environment variable, the path of featx.toml, or ``default``.
    """

    command: str
    option: str
    value: Any
    origin: str


def config(
    context: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(
            help="A command line without `featx`; default: what is set for all commands.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show which options are set, to what, and by whom.

    An option counts before an environment variable, that before featx.toml, and that before the
    default. With a command, all of its options are shown; without, those that are set.

    Example: featx config fit --head svm
    """
    root = context.find_root()
    words = [*(command or ()), *context.args]
    settings = _settings(root, root.command, words)
    if not words:
        settings = [setting for setting in settings if setting.origin != DEFAULT]
    file = find_config()
    data = {
        "file": str(file.resolve()) if file else None,
        "environment": _environment(),
        "settings": [asdict(setting) for setting in settings],
    }
    answer(as_json, data, lambda console: _draw(console, data, settings))


def _settings(parent: Any, group: Any, words: list[str]) -> list[Setting]:
    """Return the settings of the command that ``words`` call, or of all commands of a group.

    Raises
    ------
    UsageError
        There is no such command or option.
    """
    if not words:
        return [s for name in group.commands for s in _settings(parent, group, [name])]
    name, command, rest = group.resolve_command(parent, words)
    defaults = (parent.default_map or {}).get(name)
    if hasattr(command, "commands"):
        inner = command.context_class(command, parent, name, default_map=defaults)
        return _settings(inner, command, rest)
    for parameter in command.params:
        parameter.required = False  # what is missing is shown as not set
    with command.make_context(name, rest, parent=parent, default_map=defaults) as parsed:
        return [_setting(parsed, parameter) for parameter in command.params if _is_shown(parameter)]


def _is_shown(parameter: Any) -> bool:
    return parameter.expose_value and parameter.name not in HIDDEN


def _setting(parsed: Any, parameter: Any) -> Setting:
    command = parsed.command_path.partition(" ")[2]
    is_option = parameter.param_type_name == "option"
    label = max(parameter.opts, key=len) if is_option else parameter.name.upper()
    value = _plain(parsed.params.get(parameter.name))
    return Setting(command, label, value, _origin(parsed, parameter))


def _plain(value: Any) -> Any:
    """Return a value as JSON types."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _origin(parsed: Any, parameter: Any) -> str:
    source = parsed.get_parameter_source(parameter.name)
    name = source.name if source is not None else "DEFAULT"
    if name == "ENVIRONMENT":
        return str(parameter.envvar)
    return {"COMMANDLINE": "option", "DEFAULT_MAP": str(find_config())}.get(name, DEFAULT)


def _environment() -> dict[str, str | None]:
    from ...cache.places.home import featx_home

    return {
        "FEATX_CACHE": os.environ.get("FEATX_CACHE"),
        "FEATX_HOME": str(featx_home()),
        "FEATX_LOG_FORMAT": os.environ.get("FEATX_LOG_FORMAT"),
        "KERAS_BACKEND": os.environ.get("KERAS_BACKEND"),
    }


def _draw(console: Console, data: dict[str, Any], settings: list[Setting]) -> None:
    console.print(f"featx.toml: {data['file'] or 'none in this folder or above'}")
    for name, value in data["environment"].items():
        console.print(f"{name}: {'not set' if value is None else value}")
    if settings:
        rows = [(s.command, s.option, _shown(s.value), s.origin) for s in settings]
        draw_table(console, ("command", "option", "value", "from"), rows)
    else:
        console.print(
            "No option is set: all commands have their defaults. See featx COMMAND --help"
        )


def _shown(value: Any) -> str:
    if value is None or value == []:
        return "not set"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
