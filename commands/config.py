"""featx.toml: a project's defaults for the options of all commands."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

CONFIG = Path("featx.toml")


def default_map(group: Any, path: Path = CONFIG) -> dict[str, Any]:
    """Return the defaults that ``path`` sets, in the form of click's ``default_map``.

    A key at the top is the default of every command that has such an option or argument; a table
    named after a command holds for that command alone. Keys are the options' long names, with
    dashes or underscores.

    Raises
    ------
    ConfigError
        The file is no TOML, or holds a key that no command knows.
    """
    if not path.is_file():
        return {}
    from ..cache.errors import ConfigError

    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    common = {k: v for k, v in settings.items() if not isinstance(v, dict)}
    tables = {k: v for k, v in settings.items() if isinstance(v, dict)}
    _check(tables, group.commands, f"{path}: no command")
    names = {key for command in group.commands.values() for key in _keys(command)}
    _check({key.replace("-", "_"): None for key in common}, names, f"{path}: no option")
    defaults = {}
    for name, command in group.commands.items():
        if not hasattr(command, "commands"):
            defaults[name] = _for_command(command, common, tables.get(name, {}), f"{path} [{name}]")
        else:
            defaults[name] = {
                sub: _for_command(inner, common, tables.get(name, {}).get(sub, {}), str(path))
                for sub, inner in command.commands.items()
            }
    return defaults


def _for_command(
    command: Any, common: dict[str, Any], table: dict[str, Any], where: str
) -> dict[str, Any]:
    keys = _keys(command)
    _check({key.replace("-", "_"): None for key in table}, keys, f"{where}: no option")
    chosen = {**common, **table}
    several = {parameter.name for parameter in command.params if _takes_several(parameter)}
    return {
        keys[key.replace("-", "_")]: _listed(value, keys[key.replace("-", "_")] in several)
        for key, value in chosen.items()
        if key.replace("-", "_") in keys
    }


def _takes_several(parameter: Any) -> bool:
    return bool(getattr(parameter, "multiple", False)) or parameter.nargs == -1


def _listed(value: Any, several: bool) -> Any:
    """Return one value as a list where the option can be given several times."""
    return [value] if several and not isinstance(value, list) else value


def _keys(command: Any) -> dict[str, str]:
    """Map every spelling of a command's parameters to the parameter's name."""
    if hasattr(command, "commands"):
        inner = [_keys(sub) for sub in command.commands.values()]
        return {key: name for keys in inner for key, name in keys.items()}
    spellings = {}
    for parameter in command.params:
        spellings[parameter.name] = parameter.name
        for option in parameter.opts:
            spellings[option.lstrip("-").replace("-", "_")] = parameter.name
    return spellings


def _check(keys: Any, names: Any, what: str) -> None:
    from ..cache.errors import ConfigError
    from ..cache.suggest import did_you_mean

    for key in keys:
        if key not in names:
            raise ConfigError(f"{what} {key!r}. {did_you_mean(str(key), names)}")
