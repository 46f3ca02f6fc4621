"""Literal frames of each protocol, so that a mistake that both halves share shows. A new protocol adds an entry."""

from dataclasses import dataclass, field

from loadtests.protocols.contract import Command, Opened, Push, Received, Reply

KEY, CHAT = 3, "00000000000000a7"
TEXT = "My order\u2026"

COMMANDS = {
    "subscription.create": Command("subscription.create", KEY, topic="queue"),
    "subscription.delete": Command("subscription.delete", KEY, topic=f"chat/{CHAT}"),
    "chat.offer": Command("chat.offer", 0xA7, chat=CHAT, text=TEXT),
    "chat.accept": Command("chat.accept", KEY, chat=CHAT),
    "message.send": Command("message.send", KEY, chat=CHAT, text=TEXT),
    "chat.close": Command("chat.close", KEY, chat=CHAT),
}
"""One of each kind that a client half sends."""

CREATED = (Opened(10), Reply(1, "ok"))
SUBSCRIBED = (Reply(KEY, "ok", "", 41),)
TAKEN = (Reply(KEY, "refused", "already_accepted"),)
OFFER_TAKEN = (Reply(KEY, "ok", "", None, CHAT),)
IN_DOUBT = (Reply(KEY, "unknown", "cut_off"),)
OFFERED = (Push("chat.offered", "queue", CHAT, 0xA7, 42, 17),)


@dataclass(frozen=True)
class Frames:
    """`open`, `heartbeat` and `close` have the key 1; `sent`: by operation; `received`: frame → what it means;
    `broken`: frames that a server must not send, `refused`: those that a client must not."""

    open: tuple[str | bytes, ...]
    heartbeat: tuple[str | bytes, ...]
    close: tuple[str | bytes, ...]
    sent: dict[str, tuple[str | bytes, ...]]
    received: dict[str | bytes, tuple[Received, ...]]
    broken: tuple[str | bytes, ...]
    refused: tuple[str | bytes, ...] = field(default=())


_K3, _KA7 = "0000000000000003", CHAT
_EVENT = (
    '"topic":"queue","sequence":42,"kind":"chat.offered","chat":"00000000000000a7",'
    '"key":"00000000000000a7","by":"Bob","text":"My order","published_ns":17'
)


def _pod(kind: str, key: str, fields: str = "") -> tuple[str]:
    return (f'{{"type":"{kind}","key":"{key}"{fields}}}',)


def _rpc(method: str, key: str, params: str = "") -> tuple[str]:
    return (f'{{"jsonrpc":"2.0","id":"{key}","method":"{method}","params":{{{params}}}}}',)


_K1 = "0000000000000001"
_PERSON = '"token":"t","role":"agent","name":"Ada"'

FRAMES: dict[str, Frames] = {
    "messaging-pod.v1": Frames(
        open=_pod("connection.create", _K1, f",{_PERSON}"),
        heartbeat=_pod("heartbeat", _K1),
        close=_pod("connection.close", _K1),
        sent={
            "subscription.create": _pod("subscription.create", _K3, ',"topic":"queue"'),
            "subscription.delete": _pod("subscription.delete", _K3, f',"topic":"chat/{CHAT}"'),
            "chat.offer": _pod("chat.offer", _KA7, f',"subject":"{TEXT}"'),
            "chat.accept": _pod("chat.accept", _K3, f',"chat":"{CHAT}"'),
            "message.send": _pod("message.send", _K3, f',"chat":"{CHAT}","text":"{TEXT}"'),
            "chat.close": _pod("chat.close", _K3, f',"chat":"{CHAT}"'),
        },
        received={
            f'{{"type":"reply","key":"{_K1}","outcome":"ok","error":"","connection":"c3","heartbeat_s":10}}': CREATED,
            f'{{"type":"reply","key":"{_K3}","outcome":"ok","error":"","sequence":41}}': SUBSCRIBED,
            f'{{"type":"reply","key":"{_K3}","outcome":"ok","error":"","chat":"{CHAT}"}}': OFFER_TAKEN,
            f'{{"type":"reply","key":"{_K3}","outcome":"refused","error":"already_accepted","winner":"Grace"}}': TAKEN,
            f'{{"type":"reply","key":"{_K3}","outcome":"unknown","error":"cut_off"}}': IN_DOUBT,
            f'{{"type":"event",{_EVENT}}}': OFFERED,
        },
        broken=(
            '{"type":"reply","key":"1","outcome":"maybe","error":""}',
            '{"type":"reply","key":"1","outcome":["ok"],"error":""}',
            '{"type":"reply","key":"1","outcome":"ok"}',
            '{"type":"event","topic":"queue"}',
            f'{{"type":"event",{_EVENT.replace("42", chr(34) + "42" + chr(34))}}}',
            f'{{"type":"event",{_EVENT.replace("42", "true")}}}',
            '"event"',
            "",
            b"\xff",
        ),
        refused=('{"type":"chat.accept","key":"3","chat":"a"}', "[]", "not JSON"),
    ),
    "jsonrpc": Frames(
        open=_rpc("connection.create", _K1, _PERSON),
        heartbeat=_rpc("heartbeat", _K1),
        close=_rpc("connection.close", _K1),
        sent={
            "subscription.create": _rpc("subscription.create", _K3, '"topic":"queue"'),
            "subscription.delete": _rpc("subscription.delete", _K3, f'"topic":"chat/{CHAT}"'),
            "chat.offer": _rpc("chat.offer", _KA7, f'"subject":"{TEXT}"'),
            "chat.accept": _rpc("chat.accept", _K3, f'"chat":"{CHAT}"'),
            "message.send": _rpc("message.send", _K3, f'"chat":"{CHAT}","text":"{TEXT}"'),
            "chat.close": _rpc("chat.close", _K3, f'"chat":"{CHAT}"'),
        },
        received={
            f'{{"jsonrpc":"2.0","id":"{_K1}","result":{{"connection":"c3","heartbeat_s":10}}}}': CREATED,
            f'{{"jsonrpc":"2.0","id":"{_K3}","result":{{"sequence":41}}}}': SUBSCRIBED,
            f'{{"jsonrpc":"2.0","id":"{_K3}","result":{{"chat":"{CHAT}"}}}}': OFFER_TAKEN,
            f'{{"jsonrpc":"2.0","id":"{_K3}","error":{{"code":-32000,"message":"already_accepted",'
            '"data":{"outcome":"refused","winner":"Grace"}}}': TAKEN,
            f'{{"jsonrpc":"2.0","id":"{_K3}","error":{{"code":-32000,"message":"cut_off",'
            '"data":{"outcome":"unknown"}}}': IN_DOUBT,
            f'{{"jsonrpc":"2.0","id":"{_K3}","error":{{"code":-32601,"message":"Method not found"}}}}': (
                Reply(KEY, "fail", "bad_request"),
            ),
            f'{{"jsonrpc":"2.0","id":"{_K3}","error":{{"code":-32603,"message":"Internal error","data":"?"}}}}': (
                Reply(KEY, "fail", "internal"),
            ),
            f'{{"jsonrpc":"2.0","method":"event","params":{{{_EVENT}}}}}': OFFERED,
        },
        broken=(
            f'{{"id":"{_K3}","result":{{}}}}',
            f'{{"jsonrpc":"2.0","id":"{_K3}"}}',
            '{"jsonrpc":"2.0","id":3,"result":{}}',
            f'{{"jsonrpc":"2.0","id":"{_K3}","error":"no"}}',
            f'{{"jsonrpc":"2.0","id":"{_K3}","error":{{"code":"x","message":"no"}}}}',
            '{"jsonrpc":"2.0","method":"other","params":{}}',
            '{"jsonrpc":"2.0","method":"event","params":[]}',
            f'{{"jsonrpc":"2.0","id":1,"method":"event","params":{{{_EVENT}}}}}',
            "[]",
            "",
            b"\xff",
        ),
        refused=(
            f'{{"jsonrpc":"1.0","id":"{_K3}","method":"heartbeat"}}',
            f'{{"jsonrpc":"2.0","id":"{_K3}","method":"surprise"}}',
            f'{{"jsonrpc":"2.0","id":"{_K3}","method":"chat.accept","params":["a"]}}',
            '{"jsonrpc":"2.0","id":3,"method":"heartbeat"}',
            '[{"jsonrpc":"2.0"}]',
        ),
    ),
}
