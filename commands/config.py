"""featx.toml: a project's defaults for the options of all commands."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args, get_type_hints

from .config_file import BACKBONES_TABLE, SOURCE_TABLE, ConfigFile
from .options import BY_CLASS, OF_SOURCE, PATH_OR_NAME, WITH_FILE

CACHE, DEFAULT_CACHE = "cache", "featx-cache"
COST = "cost:"
SOURCE, SOURCE_PATH = "source", "path"


def default_map(group: Any, config: ConfigFile | None) -> dict[str, Any]:
    """Return the defaults that ``config`` sets, in the form of click's ``default_map``.

    A key at the top is the default of every command that has such an option or argument; a table
    named after a command holds for that command alone. The table ``[source]`` says where the images
    lie (``path``) and how they are read, for every command that reads them. Keys are the options'
    long names, with dashes or underscores.

    Raises
    ------
    ConfigError
        The file holds a key that no command knows, or a path that cannot be expanded.
    """
    if config is None:
        return {}
    common, tables = _divided(config.settings)
    for key in [key for key in tables if _underscored(key) in _options_by_class(group)]:
        common[key] = tables.pop(key)
    tables.pop(BACKBONES_TABLE, None)  # names of backbones, no options
    source = _source_table(tables.pop(SOURCE_TABLE, {}), group, config)
    _check(tables, group.commands, f"{config.path}: no command")
    names = {key for command in group.commands.values() for key in _keys(command)}
    _check(map(_underscored, common), names, f"{config.path}: no option")
    return {
        name: _for_command(
            name, command, {**common, **_of_source(command, source)}, tables.get(name, {}), config
        )
        for name, command in group.commands.items()
    }


def _source_table(table: dict[str, Any], group: Any, config: ConfigFile) -> dict[str, Any]:
    """Return the values of ``[source]``, lists of columns as options take them."""
    names = {name for command in group.commands.values() for name in _source_options(command)}
    values = {_underscored(key): value for key, value in table.items()}
    _check(values, {SOURCE_PATH, *names}, f"{config.path} [{SOURCE_TABLE}]: no key")
    return {
        key: ",".join(map(str, value)) if isinstance(value, list) and key in names else value
        for key, value in values.items()
    }


def _of_source(command: Any, table: dict[str, Any]) -> dict[str, Any]:
    """Return what ``[source]`` sets of a command; the path where SOURCE may be left out."""
    names = _source_options(command)
    values = {key: value for key, value in table.items() if key in names}
    takes_path = any(
        p.name == SOURCE and p.param_type_name == "argument" and not p.required
        for p in getattr(command, "params", ())
    )
    if takes_path and SOURCE_PATH in table:
        values[SOURCE] = table[SOURCE_PATH]
    return values


def _options_by_class(group: Any) -> set[str]:
    """Return the options of all commands that take values by class, and so tables."""
    commands = [one for one in group.commands.values() if not hasattr(one, "commands")]
    hints = [get_type_hints(one.callback, include_extras=True) for one in commands]
    return {name for one in hints for name, hint in one.items() if BY_CLASS in _leaves(hint)}


def _source_options(command: Any) -> set[str]:
    """Return the options of a command that say how a source is read."""
    if hasattr(command, "commands"):
        return set()
    hints = get_type_hints(command.callback, include_extras=True)
    return {name for name, hint in hints.items() if OF_SOURCE in _leaves(hint)}


def _divided(table: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the plain values of a table, and the tables in it."""
    tables = {key: value for key, value in table.items() if isinstance(value, dict)}
    return {key: value for key, value in table.items() if key not in tables}, tables


def _for_command(
    name: str, command: Any, common: dict[str, Any], table: dict[str, Any], config: ConfigFile
) -> dict[str, Any]:
    where, keys = f"{config.path} [{name}]", _keys(command)
    if hasattr(command, "commands"):
        values, tables = _divided(table)
        _check(tables, command.commands, f"{where}: no command")
        _check(map(_underscored, values), keys, f"{where}: no option")
        return {
            sub: _for_command(
                f"{name}.{sub}", inner, {**common, **values}, tables.get(sub, {}), config
            )
            for sub, inner in command.commands.items()
        }
    _check(map(_underscored, table), keys, f"{where}: no option")
    chosen = {_underscored(key): value for key, value in {**common, **table}.items()}
    if config.is_above and CACHE not in chosen and not os.path.lexists(DEFAULT_CACHE):
        chosen[CACHE] = DEFAULT_CACHE
    hints = get_type_hints(command.callback, include_extras=True)
    values = {keys[key]: value for key, value in chosen.items() if key in keys}
    return {name: _value(name, value, hints[name], config) for name, value in values.items()}


def _value(name: str, value: Any, hint: Any, config: ConfigFile) -> Any:
    """Return the value of a parameter with its paths expanded.

    It becomes a list where the parameter takes several values, and one value of a list where not.
    """
    kinds = _leaves(hint)
    if isinstance(value, dict):
        from ..cache.errors import ConfigError

        if BY_CLASS not in kinds:
            raise ConfigError(f"{config.path}: {name} takes one value, and no table: {value}")
        return ",".join(f"{key}={one}" for key, one in value.items())
    if list in kinds and not isinstance(value, list):
        value = [value]
    elif isinstance(value, list) and len(value) == 1 and list not in kinds:
        (value,) = value
    if isinstance(value, list):
        return [_expanded(name, item, kinds, config) for item in value]
    return _expanded(name, value, kinds, config)


def _expanded(name: str, value: Any, kinds: list[Any], config: ConfigFile) -> Any:
    if not isinstance(value, str):
        return value
    if Path in kinds:
        return config.expand_path(value, name)
    if WITH_FILE in kinds and value.startswith(COST):
        return COST + config.expand_path(value.removeprefix(COST), name)
    return config.expand_path_or_name(value, name) if PATH_OR_NAME in kinds else value


def _leaves(hint: Any) -> list[Any]:
    """Return the types that an annotation such as ``Annotated[list[Path] | None, …]`` is made of,
    and what is annotated to them.
    """
    if not get_args(hint):
        return [hint]
    origins = [list] if getattr(hint, "__origin__", None) is list else []
    return origins + [leaf for part in get_args(hint) for leaf in _leaves(part)]


def _underscored(key: str) -> str:
    return key.replace("-", "_")


def _keys(command: Any) -> dict[str, str]:
    """Map every spelling of a command's parameters to the parameter's name."""
    if hasattr(command, "commands"):
        inner = [_keys(sub) for sub in command.commands.values()]
        return {key: name for keys in inner for key, name in keys.items()}
    spellings = {}
    for parameter in command.params:
        spellings[parameter.name] = parameter.name
        for option in parameter.opts:
            spellings[_underscored(option.lstrip("-"))] = parameter.name
    return spellings


def _check(keys: Iterable[str], names: Iterable[str], what: str) -> None:
    from ..cache.errors import ConfigError
    from ..cache.suggest import did_you_mean

    for key in keys:
        if key not in names:
            raise ConfigError(f"{what} {key!r}. {did_you_mean(str(key), names)}")
