"""Redis behind a pod: every change is one script, which nothing interrupts.

The keys, for readers outside of the pod. Every key of an account begins with `{ACCOUNT}:`, so that a cluster
keeps an account in one place:

| key | type | content |
|---|---|---|
| `{A}:connections` | set | ids of all connections, the closed ones too |
| `{A}:connection:ID` | hash | `role, name, resume_digest, opened_at, seen_at`, and `closed_at` once it is closed |
| `{A}:subscribers` | set | ids of the connections that have subscriptions |
| `{A}:subscriptions:ID` | hash | topic → subscribed_at, of one connection |
| `{A}:topics` | hash | topic → number of its last event |
| `{A}:events:TOPIC` | stream | one entry an event, `SEQUENCE-0`: `kind, chat, key, by, text, published_ns` |
| `{A}:chats` | set | keys of all chats |
| `{A}:chats:open` | set | those that are not closed |
| `{A}:chats:accepted` | set | those that an agent accepted, whether closed since or not |
| `{A}:chat:KEY` | hash | `state, subject, offered_by, offered_at`, then `accepted_by, accepted_at`, `closed_at` |
| `{A}:messages` | hash | message key → JSON array `[chat, sender, text, sent_at]` |

Three keys are one for all accounts, which is why all of it has to be on one node, cluster or not:

| key | type | content |
|---|---|---|
| `accounts` | set | every account there ever was a connection of |
| `live:seen` | sorted set | live connections by `seen_at` in microseconds: doubles, which nanoseconds do not fit in |
| `live:account` | hash | live connection → its account |

Times are nanoseconds since the Unix epoch in 19 digits (in a message's JSON a number). Scripts compare them as text,
because Lua's numbers are doubles too.
"""
