SELECT e.account, e.topic, e.sequence, e.kind, e.key, e.published_at FROM events AS e
