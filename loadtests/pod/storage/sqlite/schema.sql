-- What the pod keeps. Times are nanoseconds since the Unix epoch. A connection is live while closed_at is null;
-- a subscription is live while its row is there. An orphan is a subscription whose connection is closed, missing,
-- or silent (seen_at) for longer than one may resume it.
CREATE TABLE IF NOT EXISTS connections (
    id            TEXT PRIMARY KEY,
    account       TEXT NOT NULL,
    role          TEXT NOT NULL CHECK (role IN ('agent', 'customer')),
    name          TEXT NOT NULL,
    resume_digest TEXT NOT NULL, -- SHA-256 of the resume token
    opened_at     INTEGER NOT NULL,
    seen_at       INTEGER NOT NULL,
    closed_at     INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS connections_live ON connections (seen_at) WHERE closed_at IS NULL;

-- head is the number of the topic's last event.
CREATE TABLE IF NOT EXISTS topics (
    account TEXT NOT NULL,
    topic   TEXT NOT NULL,
    head    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, topic)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS subscriptions (
    connection    TEXT NOT NULL REFERENCES connections,
    topic         TEXT NOT NULL,
    account       TEXT NOT NULL,
    subscribed_at INTEGER NOT NULL,
    PRIMARY KEY (connection, topic),
    FOREIGN KEY (account, topic) REFERENCES topics
) STRICT, WITHOUT ROWID;

-- id is the key of the chat's offer; offered_by and accepted_by are connections.
CREATE TABLE IF NOT EXISTS chats (
    account     TEXT NOT NULL,
    id          TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('offered', 'accepted', 'closed')),
    subject     TEXT NOT NULL,
    offered_by  TEXT NOT NULL REFERENCES connections,
    accepted_by TEXT REFERENCES connections,
    offered_at  INTEGER NOT NULL,
    accepted_at INTEGER,
    closed_at   INTEGER,
    PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;

-- key is that of the message.send that made it.
CREATE TABLE IF NOT EXISTS messages (
    account TEXT NOT NULL,
    key     TEXT NOT NULL,
    chat    TEXT NOT NULL,
    sender  TEXT NOT NULL REFERENCES connections,
    text    TEXT NOT NULL,
    sent_at INTEGER NOT NULL,
    PRIMARY KEY (account, key),
    FOREIGN KEY (account, chat) REFERENCES chats
) STRICT, WITHOUT ROWID;

-- sequence counts each topic from 1 without a gap; key is that of the operation that caused the event.
CREATE TABLE IF NOT EXISTS events (
    account      TEXT NOT NULL,
    topic        TEXT NOT NULL,
    sequence     INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    chat         TEXT NOT NULL,
    key          TEXT NOT NULL,
    by           TEXT NOT NULL,
    text         TEXT NOT NULL,
    published_at INTEGER NOT NULL,
    PRIMARY KEY (account, topic, sequence),
    FOREIGN KEY (account, topic) REFERENCES topics
) STRICT, WITHOUT ROWID;
