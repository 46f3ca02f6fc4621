"""Commands of a scenario's timeline.

They run with the user's rights: such a scenario is a program.
"""

from loadtests.configuration.problems import shown
from loadtests.configuration.source import read_documents
from loadtests.scenario.model import Scenario

ALLOW_COMMANDS = "--allow-commands"
"""The option with which a user allows them, of every command that runs scenarios."""


def command_actions(scenario: Scenario) -> list[int]:
    """The timeline's actions that run a command, by number from 0."""
    return [number for number, action in enumerate(scenario.timeline) if action.program]


def problems_of_commands(scenario: Scenario, text: str, source: str) -> list[str]:
    """Every command of a scenario that may have none, with its place in the file."""
    document = next(iter(read_documents(text, source)[0]), None)
    if document is None:
        return []
    expected = f"no commands, or {ALLOW_COMMANDS} after you have read them: they run with your user's rights"
    return [
        str(document.problem(("timeline", number, "command"), f"the command {shown(action.program)}", expected))
        for number, action in enumerate(scenario.timeline)
        if action.program
    ]
