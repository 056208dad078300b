"""docs/cli.md and the command line say the same."""

from pathlib import Path

import click
import pytest

from runward.cli.exit_code import ExitCode
from runward.cli.main import cli

DOCS = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()


def commands(command=cli, path=("runward",), parent=None):
    """Give every command with its full name."""
    context = click.Context(command, info_name=path[-1], parent=parent)
    yield " ".join(path), command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name), context)


COMMANDS = dict(commands())


def sections():
    """Give the text of each command's section, by the command's name in its heading."""
    found = {}
    for section in DOCS.split("\n### `")[1:]:
        head, _, body = section.partition("\n")
        found[head.partition("`")[0]] = head + body
    return found


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if not isinstance(command, click.Group)])
def test_every_command_has_its_section_with_every_option(name):
    """A command or an option that is added without being documented fails here."""
    section = next((text for head, text in sections().items() if head == name or head.startswith(f"{name} ")), None)
    assert section is not None, f"docs/cli.md has no section on {name}"
    common = {"--server", "--json", "--help"}
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Option) and not common & set(parameter.opts):
            for option in parameter.opts:
                assert f"`{option}" in section, f"docs/cli.md does not explain {option} of {name}"


@pytest.mark.parametrize("option", [option for p in cli.params for option in p.opts])
def test_options_of_runward_itself_are_documented(option):
    """The options that every command has stand in the document too."""
    assert f"`{option}" in DOCS


def test_documented_commands_exist():
    """A command that is gone may not stay in the document."""
    for head in sections():
        assert any(head == name or head.startswith(f"{name} ") for name in COMMANDS), head


def test_every_exit_code_is_documented():
    """The table of exit codes is whole."""
    for code in ExitCode:
        assert f"| {code.value} |" in DOCS
