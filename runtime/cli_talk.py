"""How commands speak: sentences and exit codes instead of traces, one JSON object for machines, a spinner for people.

Only Typer and the standard library are imported here, so that `ceo --help` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from runtime.settings import Secrets, Settings

OK, NO, BAD_INPUT, UNAVAILABLE, UNEXPECTED, INTERRUPTED = 0, 1, 2, 3, 4, 130
Json = Annotated[bool, typer.Option("--json", help="One JSON object for machines instead of text for people.")]
File = Annotated[Path | None, typer.Option("--config", help="The operator's file; default: CEO_CONFIG or agentos.yaml.")]
_debug = False


def show_traces(on: bool) -> None:
    """Whether an unexpected error is shown whole."""
    global _debug
    _debug = on


@contextmanager
def plainly(as_json: bool = False) -> Iterator[None]:
    """Turns errors into sentences and exit codes: a user never sees a traceback unless they ask for it with --debug."""
    try:
        yield
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:  # the reader (head, less) has seen enough
        raise typer.Exit(OK) from None
    except Exception as error:  # the edge of the program: whatever it is, a person reads a sentence
        if _debug:
            raise
        code, lines = explain(error)
        fail(code, lines, as_json)


def explain(error: Exception) -> tuple[int, list[str]]:
    """(exit code, sentences) for an error. Names are compared because importing the classes would load what failed to load."""
    kinds = {f"{kind.__module__}.{kind.__name__}" for kind in type(error).__mro__}
    if "runtime.settings.ConfigError" in kinds:
        return BAD_INPUT, list(error.problems)  # pyright: ignore[reportAttributeAccessIssue]
    if kinds & {"runtime.db.engine.DatabaseUrlError", "agents.models.ModelConfigError"}:
        return BAD_INPUT, [str(error)]
    if kinds & {"runtime.db.embedded.EmbeddedPostgresError", "tools.errors.VendorError"}:
        return UNAVAILABLE, [str(error)]
    if kinds & {"psycopg.OperationalError", "sqlalchemy.exc.OperationalError"}:
        first = str(error.__cause__ or error).strip().splitlines()[0]
        return UNAVAILABLE, [f"the database does not answer: {first}", "check DATABASE_URL and the network; `ceo doctor` says more"]
    if "runtime.db.migrate.MigrationError" in kinds:
        return NO, [str(error)]
    if isinstance(error, OSError) and error.errno == 98:
        return UNAVAILABLE, ["the port is taken by another program; choose one with --port"]
    if isinstance(error, OSError) and error.filename is not None:
        what = error.strerror or type(error).__name__
        return BAD_INPUT, [
            f"{error.filename}: {what}; name another path (CEO_DATA_DIR, or the one in the command), or mend this one"
        ]
    place = log_trace(error)
    return UNEXPECTED, [
        f"unexpected {type(error).__name__}: {error}",
        f"the whole trace is in {place}; `ceo --debug …` shows it here",
    ]


def log_trace(error: Exception) -> Path:
    """Appends the trace to ceo.log in the data folder, or in the temporary folder when that cannot be written."""
    import tempfile
    import traceback

    lines = "".join(traceback.format_exception(error))
    try:
        folder = load_secrets().ceo_data_dir
        folder.mkdir(parents=True, exist_ok=True)
    except Exception:  # reporting must not fail on the cause of the failure
        folder = Path(tempfile.gettempdir())
    place = folder / "ceo.log"
    with place.open("a", encoding="utf-8") as log:
        log.write(f"--- {now().isoformat()} {' '.join(sys.argv[1:3])}\n{lines}")
    return place


def fail(code: int, lines: list[str], as_json: bool) -> NoReturn:
    """Says what went wrong and ends."""
    if as_json:
        print_json({"error": lines[0], "problems": lines})
    else:
        for line in lines:
            typer.echo(f"ceo: {line}", err=True)
    raise typer.Exit(code)


def bad(sentence: str) -> typer.BadParameter:
    """What is wrong with an argument, to be raised."""
    return typer.BadParameter(sentence)


def cleaned(value: str | None) -> str | None:
    """For options and arguments whose text is kept: bytes that are no text are replaced, since the record cannot hold them."""
    from runtime.typed_text import clean

    return None if value is None else clean(value)


def reasoned(value: str) -> str:
    """For a reason that must be given: it teaches the next decisions, and a blank teaches nothing."""
    from runtime.typed_text import clean

    if not (reason := clean(value).strip()):
        raise bad('--reason is empty; say why in a few words, like --reason "too expensive"')
    return reason


def finish(outcome: dict[str, Any], as_json: bool) -> NoReturn:
    """Prints what became of a click, and ends with 0 or 1."""
    if as_json:
        print_json(outcome)
    else:
        typer.echo(outcome["message"], err=not outcome["ok"])
        for reason in outcome.get("findings", []):
            typer.echo(f"  {reason}", err=not outcome["ok"])
    raise typer.Exit(OK if outcome["ok"] else NO)


def print_json(value: dict[str, Any]) -> None:
    """The answer for machines: one object."""
    import json

    text = json.dumps(value, ensure_ascii=False, default=str)
    typer.echo(text.encode("utf-8", "replace").decode("utf-8"))  # a path may hold bytes that are no UTF-8


def say(text: str) -> None:
    """A line for people on the error stream, so that standard output stays the answer."""
    typer.echo(text, err=True)


@contextmanager
def busy(text: str, quiet: bool) -> Iterator[None]:
    """A spinner while something may take longer than a moment; nothing when a machine reads or the output goes to a file."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(f"{text} …"):
        yield


def load_secrets() -> Secrets:
    """Secrets and places, from the environment."""
    from runtime.settings import load_secrets as read

    return read()


def load_settings(path: Path | None) -> Settings:
    """The operator's file and the environment. Raises ConfigError."""
    from runtime.settings import load

    return load(path)


def load_for_stop(path: Path | None) -> Settings:
    """What a stop needs, whatever else is wrong; what could not be read is said, and passed over."""
    from runtime.settings import load_for_stop as read

    settings, problems = read(path)
    for line in problems:
        say(f"ceo: {line}")
    if problems:
        say("ceo: going on without it, with the defaults: a stop must not wait for a configuration to be mended")
    return settings


def now() -> datetime:
    """The real moment: commands are the edge of the program."""
    from datetime import UTC, datetime

    return datetime.now(UTC)


def set_up_logging(settings: Settings) -> None:
    """For processes that stay: plain lines for a person at the terminal, JSON for whoever collects them."""
    from runtime.observability import configure

    configure(settings.secrets.ceo_log_level, json=not sys.stderr.isatty())


def hush() -> None:
    """For commands that answer: standard output is the answer alone, and only errors are worth a log line."""
    from runtime.observability import configure

    configure("error")
