"""A customer's requests, and the chat that they are about."""

import random
from types import SimpleNamespace
from typing import Any

from loadtests.protocols.contract import Reply, key_text
from loadtests.users.customer import Customer

OURS, THEIRS = key_text(7), key_text(0xA7)


class ScriptedSession:
    """Answers every request with `ok`, the offer with `offered`, and the subscription to one topic with `forbidden`."""

    who = None

    def __init__(self, offered: Reply, refused_topic: str) -> None:
        self.offered, self.refused_topic = offered, refused_topic
        self.requests: list[tuple[str, str]] = []
        self.customer: Any = None

    def request(self, operation: str, _planned_ns: int, **fields: Any) -> Reply:
        self.requests.append((operation, fields.get("topic") or fields["chat"]))
        if operation == "chat.offer":
            self.customer.answered = True
            return self.offered
        refused = operation == "subscription.create" and fields["topic"] == self.refused_topic
        return Reply(1, "fail", "forbidden") if refused else Reply(1, "ok")


def chat_with(offered: Reply, refused: str = "") -> tuple[list[tuple[str, str]], Any]:
    """The requests of a customer that sends one message, and how its wait for an answer ended."""
    ends: list[tuple[str, str]] = []
    recorder = SimpleNamespace(begin=lambda *_: "pending", end=lambda _, outcome, error: ends.append((outcome, error)))
    load = SimpleNamespace(
        clock=SimpleNamespace(now=lambda: 0), recorder=recorder, random=random.Random(1), patience_ns=0,
        people=SimpleNamespace(sentence=lambda: "words"), new_key=lambda: 7, pause_ns=lambda: 0,
        scenario=SimpleNamespace(customer=SimpleNamespace(messages=SimpleNamespace(min=1, max=1))),
    )  # fmt: skip
    made = Customer.__new__(Customer)
    made.load, made.session = load, ScriptedSession(offered, refused)
    made.session.customer = made
    made.waiter = SimpleNamespace(until=lambda _: True)
    made.leaving = made.lost = made.answered = False
    made.messages = 0
    made._request_chat()
    return made.session.requests, ends


def test_chat_without_an_id_of_the_server_has_the_customers_key() -> None:
    requests, ends = chat_with(Reply(7, "ok"))
    assert requests == [
        ("subscription.create", f"chat/{OURS}"), ("chat.offer", OURS), ("message.send", OURS), ("chat.close", OURS),
    ]  # fmt: skip
    assert ends == [("ok", "")]


def test_chat_has_the_id_that_the_server_assigned() -> None:
    requests, ends = chat_with(Reply(7, "ok", chat=THEIRS))
    assert requests[2:] == [
        ("subscription.create", f"chat/{THEIRS}"), ("message.send", THEIRS), ("chat.close", THEIRS),
    ]  # fmt: skip
    assert ends == [("ok", "")]


def test_answer_fails_without_the_topic_of_the_assigned_id() -> None:
    requests, ends = chat_with(Reply(7, "ok", chat=THEIRS), refused=f"chat/{THEIRS}")
    assert requests[2:] == [("subscription.create", f"chat/{THEIRS}"), ("chat.close", THEIRS)]
    assert ends == [("fail", "forbidden")]
