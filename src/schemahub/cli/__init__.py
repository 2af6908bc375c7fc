"""The command line: `schemahub` and `python -m schemahub.cli`.

Commands are imported when they are run, so that `--help` costs next to nothing.
"""

from schemahub.cli.main import main

__all__ = ["main"]
