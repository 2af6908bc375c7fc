"""The outermost edge: which commands there are, how errors are told, exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import click
from click.shell_completion import CompletionItem

from schemahub.cli.words import tell, tell_trace
from schemahub.core.errors import SchemaHubError, StoreError, UsageError

# Name: (module, one line of help), in the order in which a new user meets them.
COMMANDS = {
    "demo": ("demo", "Run the whole job against the built-in exchange"),
    "ingest": ("ingest", "Fetch trades into the immutable raw layer"),
    "transform": ("transform", "Make the exact unified table from raw"),
    "publish": ("publish", "Show the table to other engines, as Iceberg"),
    "run": ("run", "What a scheduler calls: ingest, transform, publish, quality"),
    "query": ("query", "Ask the table in SQL"),
    "bars": ("bars", "Bars of a market: of time, or cut by what was traded"),
    "dashboard": ("dashboard", "See the lake in the browser"),
    "verify": ("verify", "Prove that nothing is missing and nothing is twice"),
    "quality": ("quality", "Check the data: gaps, outliers, silence, and the like"),
    "repair": ("repair", "Set damage aside and fetch what is missing"),
    "compact": ("compact", "Remove what larger parts and newer versions replaced"),
    "quarantine": ("quarantine", "What was refused, why, and what a better spec gains"),
    "status": ("status", "How far each market is"),
    "runs": ("runs", "What each run did"),
    "locks": ("locks", "Who works on what now"),
    "files": ("files", "The Parquet files that are live now"),
    "update-seed": ("seed", "List the exchange's markets as those to ingest"),
    "cost": ("cost", "What it costs on AWS, line by line"),
    "doctor": ("doctor", "Check the machine, the lake and the exchange"),
    "explain": ("explain", "What an error means, and what to do"),
    "exchange": ("exchange", "Which exchanges there are, and how to add one"),
    "init": ("init", "Write schemahub.toml with every setting explained"),
    "config": ("config", "Show the settings and where each comes from"),
    "completion": ("completion", "Completion for bash, zsh and fish"),
    "sandbox": ("sandbox", "Run the built-in exchange on loopback"),
}

READER_GONE = 141  # 128 + SIGPIPE, as other tools end
EPILOG = """\b
Exit codes: 0 done, 1 failed, 2 usage, 3 partly, 4 proof or quality failed,
5 another run is at it, 6 configuration, 130/143 stopped by a signal.

\b
A first run:
  schemahub ingest BTC-USD --since 1h
  schemahub transform
  schemahub query "select * from trades order by trade_id desc limit 5"
  schemahub verify
"""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"schemahub.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The names of commands, none of which is imported for that."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=text.partition(",")[0])  # fish cuts there
            for name, (_, text) in COMMANDS.items()
            if name.startswith(incomplete)
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Commands,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="schemahub", prog_name="schemahub")
def cli() -> None:
    """Your own, provably complete history of crypto trades, as one exact SQL table."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and exits with its code; errors are three lines on stderr."""
    if sys.stderr is None:  # closed by the caller; messages must not end up on stdout
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  (for good)
    code = run(list(sys.argv[1:] if arguments is None else arguments))
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        code = READER_GONE
    except OSError as error:
        code = code or _unwritten(error)
    if code == READER_GONE:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the interpreter flushes once more
    _flush()
    if code >= 128:  # noqa: PLR2004  (stopped by a signal: what still hangs is not waited for)
        os._exit(code)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Runs a command and returns its exit code."""
    if "_SCHEMAHUB_COMPLETE" in os.environ:  # noqa: TID251  (how a shell asks what could follow)
        from schemahub.cli.completion import prepare

        prepare()
    try:
        return _run(arguments)
    except (BrokenPipeError, SystemExit) as ended:
        # click's way to say that it answered a shell's Tab, or that whoever read our output
        # went away, as `head` does.
        return 0 if isinstance(ended, SystemExit) and not ended.code else READER_GONE
    except OSError as error:
        return _unwritten(error)


def _unwritten(error: OSError) -> int:
    # What fails at files of the lake or at sockets is translated where it is met.
    tell(StoreError("the output cannot be written", str(error), "see where stdout goes"))
    return StoreError.exit_code


def _run(arguments: list[str]) -> int:  # noqa: PLR0911  (one for each way to end)
    debug = "--debug" in arguments
    try:
        result = cli.main(args=arguments, prog_name="schemahub", standalone_mode=False)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.Abort:
        return 130
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.message)
        return 0
    except click.ClickException as error:
        tell(UsageError(error.format_message(), *_usage(error)))
        return UsageError.exit_code
    except SchemaHubError as error:
        if debug:
            tell_trace()
        tell(error)
        return error.exit_code
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001  (the outermost edge)
        if debug:
            tell_trace()
        where = traceback.extract_tb(error.__traceback__)[-1]
        tell(
            SchemaHubError(
                f"a fault in schemahub: {type(error).__name__}: {error}",
                f"at {Path(where.filename).name}:{where.lineno}; what was stored is safe",
                "run it again with --debug and report what it prints",
            )
        )
        return SchemaHubError.exit_code
    return result if isinstance(result, int) else 0


def _usage(error: click.ClickException) -> tuple[str, str]:
    context = getattr(error, "ctx", None)
    if context is None:
        return "", "see `schemahub --help`"
    return f"in `{context.command_path}`", f"see `{context.command_path} --help`"


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            continue
