"""The command `narrawatch`: its subcommands, and what becomes of their errors.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted with Ctrl-C. What the user can do something about
is one line on standard error; a traceback is a bug of ours. The subcommands are in `streams.commands`; only
the one that is called is imported, so that `--help` answers at once.
"""

import errno
import importlib
import sys
from collections.abc import Mapping
from typing import Any, Final

import click

from models.errors import NarrawatchError

__all__ = ["COMMANDS", "main", "narrawatch"]

COMMANDS: Final[Mapping[str, str]] = {
    "demo": "Watch narratives emerge from a sample stream.",
    "replay": "Find the narratives in files of comments.",
    "sources": "List live sources, and find the one that fits a site.",
    "ingest": "Send comments of live sources or files to Kafka.",
    "worker": "Read comments from Kafka, find narratives.",
    "web": "Serve the page with the narratives and their quotes.",
    "topics": "Make the topics on the broker, and list them.",
    "watches": "Say what to look for; see what a phrase would match.",
    "dead-letters": "See what was put aside, send it again, or give it up.",
    "broker": "Run a broker for trying out, or Apache Kafka.",
    "models": "List, build and check embedding models.",
    "alerts": "Make alerting rules for Prometheus.",
    "notify": "Send notifications to webhooks.",
    "dashboards": "Make Grafana dashboards, and bring them to Grafana.",
    "doctor": "Check that all that is needed is there.",
}
_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
# What a disk refuses: the user's to mend, wherever in the program it happens.
_DISK_ERRORS: Final = (errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EPERM, errno.EROFS)


class _Failure(click.ClickException):
    """One line on standard error, exit code 1."""

    def show(self, file: Any = None) -> None:
        click.echo(f"narrawatch: {' '.join(self.message.split())}", file=file or sys.stderr)


class _Program(click.Group):
    """Imports a subcommand when it is called, and turns the errors of all of them into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"streams.commands.{name}")
        command: click.Command = getattr(module, name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # Click's own would import every one of them to ask for its first line.
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except NarrawatchError as error:
            raise _Failure(str(error)) from error
        except OSError as error:
            if error.errno not in _DISK_ERRORS:
                raise
            parts = [str(part) for part in (error.filename, error.strerror) if part]
            raise _Failure(": ".join(parts)) from error
        except KeyboardInterrupt:
            ctx.exit(_INTERRUPTED)


@click.group(
    cls=_Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nExamples:\n  narrawatch demo\n  narrawatch replay comments.jsonl --out found\n"
    "  narrawatch COMMAND --help",
)
@click.version_option(package_name="narrawatch", message="%(prog)s %(version)s")
def narrawatch() -> None:
    """Notices new narratives in comment sections as they appear."""


def main() -> None:
    """Run the command line of this process and exit."""
    try:
        narrawatch(prog_name="narrawatch")
    except KeyboardInterrupt:  # outside of a command: while it was imported, or while it was ending
        sys.exit(_INTERRUPTED)
