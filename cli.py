"""The command line: `featx`."""

from __future__ import annotations

import atexit
import gc
import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from .commands.common import answer, say
from .commands.config import default_map
from .commands.config_file import read_config
from .commands.features import cache, doctor, extract, listing, split
from .commands.help import FEATURES, JUDGING, MODELS, USE, GroupedHelp, RegistryHelp
from .commands.interruption import describe_stop
from .commands.judging import compare, curve, evaluate, project, report, results
from .commands.logs import LOGGER, TEXT, LogFormat, configure, notes_first
from .commands.models import baseline, finetune, fit, sweep, threshold
from .commands.options import with_address
from .commands.output_encoding import make_safe
from .commands.use import config, drift, model, score, similar

USAGE, INTERRUPTED = 2, 130
GARBAGE_THRESHOLD = 50_000


class FeatxGroup(GroupedHelp):
    """Turns featx' own errors into one line on standard error and an exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Take the options for notes out, which may stand before the command or after it."""
        return super().parse_args(ctx, with_address(notes_first(args)))

    def invoke(self, ctx: Any) -> Any:
        """Run the command; exit 1 on an error, 3 on too many bad images, 130 on Ctrl-C."""
        as_json = "--json" in ctx.args
        verbose, form = ctx.params["verbose"], ctx.params["log_format"]
        configure(verbose, ctx.params["quiet"] or (as_json and form == TEXT), form)
        try:
            return super().invoke(ctx)
        except typer.Exit:
            raise
        except Exception as error:
            # A usage error, which typer draws itself; its class has moved between versions.
            if hasattr(error, "format_message"):
                _blame_config(error)
                if as_json:
                    _write_error("UsageError", error.format_message(), USAGE)
                raise
            # The error tree's package loads NumPy and HDF5, which `--help` never needs.
            from .cache.errors import FeatxError

            exit_code = 1
            if isinstance(error, FeatxError):
                message, exit_code = str(error), error.exit_code
            elif isinstance(error, MemoryError):
                message = describe_stop(error)
            # Without a name it is no file that failed but, say, a pipe that was closed.
            elif isinstance(error, OSError) and error.filename:
                message = f"{error.filename}: {error.strerror}"
            else:
                raise
            LOGGER.error("%s", message, extra={"fields": {"exit_code": exit_code}})
            if as_json:
                report = getattr(error, "report", None)
                _write_error(type(error).__name__, message, exit_code, report)
            raise typer.Exit(exit_code) from error
        except KeyboardInterrupt as error:
            message = describe_stop(error)
            LOGGER.error("%s", message, extra={"fields": {"exit_code": INTERRUPTED}})
            if as_json:
                _write_error("KeyboardInterrupt", message, INTERRUPTED)
            raise typer.Exit(INTERRUPTED) from error


def _blame_config(error: Any) -> None:
    """Say of a usage error that the value stands in featx.toml, where it does."""
    context, param = getattr(error, "ctx", None), getattr(error, "param", None)
    source = context.get_parameter_source(param.name) if context and param else None
    config = read_config()
    if config is not None and source is not None and source.name == "DEFAULT_MAP":
        error.message = f"{error.message} (it stands in {config.path})"


def _write_error(name: str, message: str, exit_code: int, report: Any = None) -> None:
    """Write an error as the one JSON object of a command; with what was done before, if known."""
    data: dict[str, Any] = {"error": name, "message": message, "exit_code": exit_code}
    if report is not None:
        data["report"] = asdict(report)
    answer(True, data, lambda _: None)


app = typer.Typer(
    cls=FeatxGroup,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Options may stand in featx.toml, at the top or in a table named after a command. "
    "Options for notes may stand before or after the command. "
    "FEATX_CACHE names the cache, FEATX_HOME the folder for converted networks (~/.cache/featx).",
)


def _write_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"featx {version('featx')}")
        if missing := _missing_parts():
            typer.echo(f"Built without a C compiler: {missing}", err=True)
        raise typer.Exit


def _missing_parts() -> str:
    from .classifiers.heads.registry import compiled_parts
    from .extractor.machine.compiled import HOW_TO_HAVE, IMAGE_PARTS

    slower = [part.slower for part in (*IMAGE_PARTS, *compiled_parts()) if not part.is_in_use]
    return f"{'; '.join(slower)}. To have them: {HOW_TO_HAVE}" if slower else ""


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_write_version, is_eager=True, help="Show the version."),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also note what helps to find a fault.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Note warnings and errors only.")
    ] = False,
    log_format: Annotated[
        LogFormat,
        typer.Option(
            "--log-format", envvar="FEATX_LOG_FORMAT", help="Notes as text, or as JSON lines."
        ),
    ] = TEXT,
) -> None:
    """Turn images into features once, then train, compare and use light classifiers in seconds."""
    config = read_config()
    if config is not None and config.is_above:
        say(f"Defaults from {config.path}.")
    context.default_map = default_map(context.command, config)


app.command(cls=RegistryHelp, rich_help_panel=FEATURES)(extract.extract)
app.command(rich_help_panel=FEATURES)(listing.backbones)
app.command(cls=RegistryHelp, rich_help_panel=FEATURES)(doctor.doctor)
app.command(rich_help_panel=FEATURES)(listing.sample)
app.add_typer(split.app, name="split", rich_help_panel=FEATURES)
app.add_typer(cache.app, name="cache", rich_help_panel=FEATURES)
app.command(cls=RegistryHelp, rich_help_panel=MODELS)(fit.fit)
app.command(cls=RegistryHelp, rich_help_panel=MODELS)(sweep.sweep)
app.command(cls=RegistryHelp, rich_help_panel=MODELS)(baseline.baseline)
app.command(rich_help_panel=MODELS)(finetune.finetune)
app.command(cls=RegistryHelp, rich_help_panel=JUDGING)(results.results)
app.command(cls=RegistryHelp, rich_help_panel=JUDGING)(compare.compare)
app.command(cls=RegistryHelp, rich_help_panel=JUDGING)(curve.curve)
app.command(cls=RegistryHelp, rich_help_panel=JUDGING)(report.report)
app.command(rich_help_panel=MODELS)(threshold.threshold)
app.command(rich_help_panel=JUDGING)(evaluate.evaluate)
app.command(rich_help_panel=JUDGING)(project.project)
app.command(cls=RegistryHelp, rich_help_panel=USE)(score.score)
app.command(cls=RegistryHelp, rich_help_panel=USE)(model.export)
app.command(rich_help_panel=USE)(similar.similar)
app.command(rich_help_panel=USE)(drift.drift)
app.command(rich_help_panel=USE, context_settings=config.PASS_ON)(config.config)
app.add_typer(model.app, name="model", rich_help_panel=USE)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        make_safe(stream)
    # Modules stay until the end: collecting garbage among them would take a sixth of the time of a
    # short command.
    gc.set_threshold(GARBAGE_THRESHOLD)
    atexit.register(gc.freeze)
    sys.exit(app())
