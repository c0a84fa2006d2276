"""Every command and every option stands in docs/cli.md, and nothing else does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from medrec_py.cli.app import app
from medrec_py.cli.settings import SETTINGS
from tests.sdk.cli.test_json import DOCUMENT

ROOT_COMMAND: Any = typer.main.get_command(app)


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """All commands below one, without the groups."""
    for name, child in command.commands.items():
        if hasattr(child, "commands"):
            yield from commands(child, (*path, name))
        else:
            yield " ".join((*path, name)), child


COMMANDS = dict(commands(ROOT_COMMAND))


def section(heading: str) -> str:
    """What stands below a heading, up to the next of its kind."""
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{2,3}} |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no {heading}"
    return found[1]


def options(command: Any) -> set[str]:
    """What a command calls its options: all their names."""
    return {name for parameter in command.params for name in parameter.opts if name.startswith("-")}


COMMON = {option for option in options(COMMANDS["record add"]) if f"`{option}" in section("## Common options")}


def test_the_sections_are_the_commands() -> None:
    """A section for each command, in the documentation's order, and none for what there is not."""
    sections = re.findall(r"^### `medrec (.+)`$", DOCUMENT, re.MULTILINE)
    assert sorted(sections) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_documented(name: str) -> None:
    """In its section, or among the common ones; and every option that the section names is one."""
    text = section(f"### `medrec {name}`")
    own = options(COMMANDS[name]) - COMMON
    named = set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)", " ".join(re.findall(r"^- (`.+?):", text, re.MULTILINE))))
    assert own <= named
    assert named <= options(COMMANDS[name])


@pytest.mark.parametrize("name", COMMANDS)
def test_required_options_and_arguments_are_documented(name: str) -> None:
    """What has to be given is said to be, and arguments stand in the section."""
    text = section(f"### `medrec {name}`")
    for parameter in COMMANDS[name].params:
        if parameter.param_type_name == "argument":
            assert (parameter.metavar or "").strip("[]") in text, parameter.name
        elif parameter.required:
            line = next(line for line in text.split("\n- ") if f"`{parameter.opts[0]} " in line)
            assert "Required." in line, parameter.name


def test_the_common_options_are_those_of_every_command() -> None:
    """All commands but `init` and `demo` take all of them; those say which they take."""
    assert {"--profile", "--json", "--chain", "--contract", "--store", "--home", "--passphrase-file"} <= COMMON
    for name, command in COMMANDS.items():
        if name not in {"init", "demo"}:
            assert options(command) >= COMMON - {"--help", "-h"}, name
    for option in options(COMMANDS["init"]) & COMMON - {"-p"}:
        assert f"`{option}`" in section("### `medrec init`")


def test_the_options_of_the_program_itself_are_documented() -> None:
    """`--version`, and those for completion."""
    for option in options(ROOT_COMMAND):
        assert f"`{option}" in section("## Common options"), option


def test_every_setting_is_documented() -> None:
    """With its variable."""
    text = section("## Settings")
    for setting in SETTINGS.values():
        assert f"| `{setting.name}` |" in text
        assert f"`{setting.variable}`" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_a_help_text(name: str) -> None:
    """Each says what it is for, in a sentence."""
    command = COMMANDS[name]
    assert command.help.strip().endswith((".", "`."))
    for parameter in command.params:
        assert parameter.help, parameter.name
        assert parameter.help.strip().endswith((".", ").")), parameter.name
