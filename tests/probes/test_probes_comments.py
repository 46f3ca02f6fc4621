"""Comments as frameworks write them, and what they name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.probes.naming import comment

RAILS = "application:Chats,controller:chats,action:accept"
TRACE = "traceparent='00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01'"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (f"SELECT 1 /*{RAILS}*/", "chats.accept"),
        (f"/*{RAILS}*/ SELECT 1", "chats.accept"),
        (f"SELECT 1 /*{RAILS},line:/app/chat.rb:12:in `accept'*/", "chats.accept"),
        ("SELECT 1 /*namespaced_controller:Api::V1::Chats,action:accept*/", "Api::V1::Chats.accept"),
        ("SELECT 1 /*application:Chats,job:ReapJob*/", "ReapJob"),
        ("SELECT 1 /*application:Chats*/", None),
        (f"SELECT 1 /*action='accept',controller='chats',{TRACE}*/", "chats.accept"),
        (f"SELECT 1 /*{TRACE}*/", None),
        (f"SELECT 1 /*action='accept',controller='chats'*/ /*{TRACE}*/", "chats.accept"),
        (f"/*action='accept',controller='chats'*/ SELECT 1 /*{TRACE}*/", "chats.accept"),
        ("SELECT 1 /*Action='accept',Controller='chats'*/", "chats.accept"),
        (r"SELECT 1 /*action='it\'s',controller='chats'*/", "chats.it's"),
        ("SELECT 1 /*action='accept%1B%5B31m',controller='chats'*/", "chats.accept"),
        ('SELECT 1 /* {"action": "accept", "controller": "chats"} */', "chats.accept"),
        ('SELECT 1 /* {"action": 1} */', None),
        ("SELECT 1 /* {not JSON} */", None),
        (f'SELECT 1 /*{{"a":{"[" * 1900}*/', None),
        (f'/*{{"a":{"[" * 1900}*/ SELECT 1', None),
        ("/* insert com.example.Chat */ insert into chat (id) values (?)", "insert com.example.Chat"),
        ("/* update for com.example.Chat */update chat set v=? where id=?", "update for com.example.Chat"),
        ("/* named HQL query Chat.accept */ select 1", "Chat.accept"),
        ("/* select c from Chat as c where c.id=:id */ select c.id from chat c", None),
        ("-- name: AcceptChat :one\nUPDATE chats SET a=1", "AcceptChat"),
        ("-- chat.accept\n\nSELECT 1", "chat.accept"),
        ("# chat.accept\nSELECT 1", "chat.accept"),
        ("-- chat.accept", None),
        ("/*+ IndexScan(chats) */ /* chat.accept */ SELECT 1", "chat.accept"),
        ("/*!40001 SQL_NO_CACHE */ SELECT 1", None),
        ("/* chat/accept */ SELECT 1", "chat/accept"),
        ("/* accept-chat@pod-1 */ SELECT 1", "accept-chat"),
        ("/* ChatService:accept */ SELECT 1", "ChatService:accept"),
        ("/* request-20260613 */ SELECT 1", None),
        ("/* req.5bd66ef5-0953 */ SELECT 1", None),
    ],
)
def test_comment_names_the_operation(statement: str, expected: str | None) -> None:
    assert comment(statement) == expected


@given(text=st.text(max_size=200), other=st.text(max_size=50))
def test_a_name_is_short_and_printable(text: str, other: str) -> None:
    for statement in (f"/*{text}*/ {other}", f"{other} /*{text}*/", f"-- {text}\n{other}", f"/*action='{text}'*/"):
        name = comment(statement)
        assert name is None or (0 < len(name) <= 100 and name.isprintable())


@given(text=st.text(max_size=300))
def test_a_string_in_a_statement_names_nothing(text: str) -> None:
    quoted = text.replace("'", "''")
    assert comment(f"SELECT '{quoted}'") is None
    assert comment(f"SELECT '{text}", whole=False) is None
