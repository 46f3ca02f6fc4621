-- What the pod keeps. Times are nanoseconds since the Unix epoch. A connection is live while closed_at is null;
-- a subscription is live while its row is there. An orphan is a subscription whose connection is closed, missing,
-- or silent (seen_at) for longer than one may resume it. Foreign keys are added apart (foreign_keys.sql): not every
-- locking strategy wants them. Texts are compared byte by byte, blanks at the end included, as other engines do.

-- The counters are kept by the pessimistic strategy only: its hot parent rows.
CREATE TABLE IF NOT EXISTS accounts (
    account       varchar(255) PRIMARY KEY,
    connections   integer NOT NULL DEFAULT 0,
    subscriptions integer NOT NULL DEFAULT 0,
    queue_depth   integer NOT NULL DEFAULT 0
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- version is the optimistic strategy's: it changes with the connection's set of subscriptions.
CREATE TABLE IF NOT EXISTS connections (
    id            varchar(64) PRIMARY KEY,
    account       varchar(255) NOT NULL,
    role          varchar(8) NOT NULL CHECK (role IN ('agent', 'customer')),
    name          varchar(255) NOT NULL,
    resume_digest char(64) NOT NULL, -- SHA-256 of the resume token
    opened_at     bigint NOT NULL,
    seen_at       bigint NOT NULL,
    closed_at     bigint,
    version       bigint NOT NULL DEFAULT 0,
    KEY connections_live (closed_at, seen_at),
    KEY connections_account (account)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- head is the number of the topic's last event.
CREATE TABLE IF NOT EXISTS topics (
    account varchar(255) NOT NULL,
    topic   varchar(64) NOT NULL,
    head    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account, topic)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS subscriptions (
    connection    varchar(64) NOT NULL,
    topic         varchar(64) NOT NULL,
    account       varchar(255) NOT NULL,
    subscribed_at bigint NOT NULL,
    PRIMARY KEY (connection, topic),
    KEY subscriptions_topic (account, topic)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- id is the key of the chat's offer; offered_by and accepted_by are connections.
CREATE TABLE IF NOT EXISTS chats (
    account     varchar(255) NOT NULL,
    id          varchar(64) NOT NULL,
    state       varchar(8) NOT NULL CHECK (state IN ('offered', 'accepted', 'closed')),
    subject     text NOT NULL,
    offered_by  varchar(64) NOT NULL,
    accepted_by varchar(64),
    offered_at  bigint NOT NULL,
    accepted_at bigint,
    closed_at   bigint,
    version     bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account, id),
    KEY chats_offered_by (offered_by),
    KEY chats_accepted_by (accepted_by)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- key is that of the message.send that made it.
CREATE TABLE IF NOT EXISTS messages (
    account varchar(255) NOT NULL,
    `key`   varchar(64) NOT NULL,
    chat    varchar(64) NOT NULL,
    sender  varchar(64) NOT NULL,
    text    text NOT NULL,
    sent_at bigint NOT NULL,
    PRIMARY KEY (account, `key`),
    KEY messages_chat (account, chat),
    KEY messages_sender (sender)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- sequence counts each topic from 1 without a gap; key is that of the operation that caused the event.
CREATE TABLE IF NOT EXISTS events (
    account      varchar(255) NOT NULL,
    topic        varchar(64) NOT NULL,
    sequence     bigint NOT NULL,
    kind         varchar(64) NOT NULL,
    chat         varchar(64) NOT NULL,
    `key`        varchar(64) NOT NULL,
    `by`         varchar(255) NOT NULL,
    text         text NOT NULL,
    published_at bigint NOT NULL,
    PRIMARY KEY (account, topic, sequence)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
