-- What the pod keeps. Times are nanoseconds since the Unix epoch. A connection is live while closed_at is null;
-- a subscription is live while its row is there. An orphan is a subscription whose connection is closed, missing,
-- or silent (seen_at) for longer than one may resume it. Foreign keys are added apart (foreign_keys.sql): not every
-- locking strategy wants them.

-- The counters are kept by the pessimistic strategy only: its hot parent rows.
CREATE TABLE IF NOT EXISTS accounts (
    account       text PRIMARY KEY,
    connections   integer NOT NULL DEFAULT 0,
    subscriptions integer NOT NULL DEFAULT 0,
    queue_depth   integer NOT NULL DEFAULT 0
);

-- version is the optimistic strategy's: it changes with the connection's set of subscriptions.
CREATE TABLE IF NOT EXISTS connections (
    id            text PRIMARY KEY,
    account       text NOT NULL,
    role          text NOT NULL CHECK (role IN ('agent', 'customer')),
    name          text NOT NULL,
    resume_digest text NOT NULL, -- SHA-256 of the resume token
    opened_at     bigint NOT NULL,
    seen_at       bigint NOT NULL,
    closed_at     bigint,
    version       bigint NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS connections_live ON connections (seen_at) WHERE closed_at IS NULL;

-- head is the number of the topic's last event.
CREATE TABLE IF NOT EXISTS topics (
    account text NOT NULL,
    topic   text NOT NULL,
    head    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account, topic)
);

CREATE TABLE IF NOT EXISTS subscriptions (
    connection    text NOT NULL,
    topic         text NOT NULL,
    account       text NOT NULL,
    subscribed_at bigint NOT NULL,
    PRIMARY KEY (connection, topic)
);

-- id is the key of the chat's offer; offered_by and accepted_by are connections.
CREATE TABLE IF NOT EXISTS chats (
    account     text NOT NULL,
    id          text NOT NULL,
    state       text NOT NULL CHECK (state IN ('offered', 'accepted', 'closed')),
    subject     text NOT NULL,
    offered_by  text NOT NULL,
    accepted_by text,
    offered_at  bigint NOT NULL,
    accepted_at bigint,
    closed_at   bigint,
    version     bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account, id)
);

-- key is that of the message.send that made it.
CREATE TABLE IF NOT EXISTS messages (
    account text NOT NULL,
    key     text NOT NULL,
    chat    text NOT NULL,
    sender  text NOT NULL,
    text    text NOT NULL,
    sent_at bigint NOT NULL,
    PRIMARY KEY (account, key)
);

-- sequence counts each topic from 1 without a gap; key is that of the operation that caused the event.
CREATE TABLE IF NOT EXISTS events (
    account      text NOT NULL,
    topic        text NOT NULL,
    sequence     bigint NOT NULL,
    kind         text NOT NULL,
    chat         text NOT NULL,
    key          text NOT NULL,
    by           text NOT NULL,
    text         text NOT NULL,
    published_at bigint NOT NULL,
    PRIMARY KEY (account, topic, sequence)
);
