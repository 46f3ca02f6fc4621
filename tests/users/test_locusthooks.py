"""What our hooks change in Locust itself."""

import pytest
from locust import argument_parser

from loadtests.users.locusthooks import _remember_default_arguments


def test_default_arguments_are_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(argument_parser, "default_args_dict", argument_parser.default_args_dict)
    asked_of_locust = argument_parser.default_args_dict()
    _remember_default_arguments()
    assert argument_parser.default_args_dict() == asked_of_locust
    assert argument_parser.default_args_dict() is argument_parser.default_args_dict()
