"""`schemahub completion`: what makes a shell complete our commands, options and markets."""

from __future__ import annotations

import os
from typing import ClassVar

import click
from click.shell_completion import (
    BashComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

VARIABLE = "_SCHEMAHUB_COMPLETE"
# bash cuts words at colons, which markets have: so the line is read as a whole, and what of
# an answer stands before the last colon, which bash believes to be there already, is cut off.
_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' line="${COMP_LINE:0:COMP_POINT}" word
    word="${line##*[[:space:]]}"
    COMPREPLY=($(COMP_LINE="$line" %(complete_var)s=bash_complete "$1" 2>/dev/null))
    if [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${word%%:*}:"}")
    fi
}
complete -o nosort -o bashdefault -o default -F %(complete_func)s %(prog_name)s
"""


class _Bash(BashComplete):
    source_template: ClassVar[str] = _BASH

    def source(self) -> str:
        return self.source_template % self.source_vars()

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_LINE"]  # noqa: TID251  (how bash asks)
        words = split_arg_string(line)[1:]
        return (words, "") if line[-1:].isspace() or not words else (words[:-1], words[-1])

    def format_completion(self, item: click.shell_completion.CompletionItem) -> str:
        return str(item.value)


def prepare() -> None:
    """Has to be called before a shell is answered."""
    add_completion_class(_Bash, "bash")


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Print what makes SHELL complete commands, options and the markets of the lake.

    \b
      bash:  source <(schemahub completion bash)             in ~/.bashrc
      zsh:   source <(schemahub completion zsh)              in ~/.zshrc, after compinit
      fish:  schemahub completion fish | source              in ~/.config/fish/config.fish
    """
    from schemahub.cli.main import cli

    prepare()
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  (click has the other two)
    print(kind(cli, {}, "schemahub", VARIABLE).source(), end="")
    return 0
