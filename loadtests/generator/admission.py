# mypy: disable-error-code="no-untyped-call"
"""Which of Locust's own options are allowed: those that would change the load, or have no effect, are refused by name
before anything starts."""

import sys
from argparse import Action, Namespace
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Final

from locust import argument_parser, input_events, main
from locust.env import Environment

from loadtests.commandline import EX_USAGE
from loadtests.generator.channel import tokens
from loadtests.generator.master import StagesShape
from loadtests.users.agent import Agent

_ALLOWED: Final = frozenset({
    "locustfile", "config", "help", "version", "list_commands", "headless", "headful", "autostart", "autoquit",
    "web_host", "web_host_display_name", "web_port", "web_login", "web_base_path", "build_path", "tls_cert", "tls_key",
    "master", "master_bind_host", "master_bind_port", "master_host", "master_port", "worker", "processes",
    "expect_workers", "expect_workers_max_wait",
    "print_stats", "only_summary", "skip_log_setup", "loglevel", "logfile", "show_task_ratio", "show_task_ratio_json",
})  # fmt: skip
"""Where the web UI is, how master and workers find each other, what is logged: none of it changes the load."""

_STAGES: Final = "the scenario's stages say how many agents there are, and for how long"
_STATISTICS: Final = "its figures are rounded; use loadtests-report STUDY for figures and loadtests export RUN for rows"
_ONE_CLASS: Final = "the scenario decides what agents and customers do"
_ADVICE: Final = {
    "host": "use --target URL --label NAME to load a pod of your own",
    "num_users": _STAGES,
    "spawn_rate": _STAGES,
    "run_time": _STAGES,
    "stop_timeout": "agents always end their calls first",
    "user_classes": _ONE_CLASS,
    "class_picker": _ONE_CLASS,
    "config_users": _ONE_CLASS,
    "equal_weights": _ONE_CLASS,
    "tags": _ONE_CLASS,
    "exclude_tags": _ONE_CLASS,
    "enable_rebalancing": "agents would reconnect in mid-run, which no stage asks for",
    "reset_stats": "mark the stages that count with judge: true",
    "csv_prefix": _STATISTICS,
    "stats_history_enabled": _STATISTICS,
    "html_file": _STATISTICS,
    "json": _STATISTICS,
    "json_file": _STATISTICS,
    "exit_code_on_error": "exit codes say how the run ended; loadtests-gate judges what was measured",
}


def check_options_of(parser: Any, *further: Callable[[Namespace], list[str]]) -> None:
    """Makes Locust's parser refuse them, with exit code 64: before it forks workers or opens a port. `further` are
    other checks of the parsed options."""
    parse = parser.parse_args

    def parse_and_check(*arguments: Any, **named: Any) -> Namespace:
        options: Namespace = parse(*arguments, **named)
        checks = (problems_of_options, tokens.problems_of_token, *further)
        refuse([problem for check in checks for problem in check(options)])
        tokens.note_options(options)
        return options

    parser.parse_args = parse_and_check


def refuse(problems: list[str]) -> None:
    """Ends the process with exit code 64 when there are any."""
    if problems:
        print("\n".join(f"loadtests: {problem}" for problem in problems), file=sys.stderr, flush=True)
        sys.exit(EX_USAGE)


def problems_of_options(options: Namespace) -> Iterator[str]:
    """What is refused of the parsed options, one sentence each."""
    for action in _locust_actions():
        default, value = _default(action), getattr(options, action.dest, None)
        if action.dest in _ALLOWED or value is None or value == default:
            continue
        words = action.option_strings[-1] if action.option_strings else f"the user class {' '.join(value)}"
        variable = f" (or {name})" if (name := getattr(action, "env_var", None)) else ""
        yield f"{words}{variable} is refused: {_ADVICE.get(action.dest, 'it is not supported here')}"
    if options.processes and options.expect_workers != 1:
        yield "--expect-workers is refused beside --processes, which starts the workers itself"


@cache
def _locust_actions() -> Sequence[Action]:
    """Locust's own options, without ours."""
    parser = argument_parser.get_empty_argument_parser(default_config_files=[])
    argument_parser.setup_parser_arguments(parser)
    return list(parser._actions)  # argparse has no other way to list them


def _default(action: Action) -> Any:
    """The value of an option that was not given, in any environment."""
    if action.dest == "user_classes":
        return []
    convert = action.type
    return convert(action.default) if isinstance(action.default, str) and callable(convert) else action.default


def problems_of_environment(environment: Environment) -> list[str]:
    """What a second locustfile would change: Locust shares the planned agents out over all user classes."""
    foreign = [cls.fullname() for cls in environment.user_classes if cls is not Agent]
    problems = [f"the user class {name} is refused: it would replace a share of the agents" for name in foreign]
    if Agent not in environment.user_classes:
        problems.append(f"the user class {Agent.fullname()} is missing: load loadtests/locustfile.py, and nothing else")
    shape = environment.shape_class
    if not isinstance(shape, StagesShape):
        found = type(shape).__name__ if shape is not None else "none"
        problems.append(f"the load shape has to be {StagesShape.__name__}, which follows the stages; found: {found}")
    return problems


def without_user_keys() -> None:
    """Keeps Locust from adding and removing users when w, W, s or S is pressed in its terminal."""
    listen = input_events.input_listener

    def without(key_to_func_map: dict[str, Callable[..., Any]]) -> Any:
        return listen({key: handler for key, handler in key_to_func_map.items() if key not in "wWsS"})

    main.input_listener = without  # type: ignore[attr-defined]
