-- Foreign keys, by table; the index that each of them needs is the schema's and outlives it. With foreign_key_checks
-- off for the one statement, InnoDB takes them over without reading the rows that are there and without copying the
-- table: they hold for rows to come, and for those that change; rows that broke them before stay, unchecked.
-- A change of a table waits for its users, and all others wait behind it: a second at most.

-- name: constrained_tables
SELECT DISTINCT table_name FROM information_schema.table_constraints
WHERE constraint_schema = database() AND constraint_type = 'FOREIGN KEY';

-- name: add_foreign_keys_of_connections
SET STATEMENT foreign_key_checks = 0 FOR
ALTER TABLE connections WAIT 1
    ADD CONSTRAINT connections_account_fkey FOREIGN KEY IF NOT EXISTS (account) REFERENCES accounts (account);

-- name: drop_foreign_keys_of_connections
ALTER TABLE connections WAIT 1 DROP FOREIGN KEY IF EXISTS connections_account_fkey;

-- name: add_foreign_keys_of_topics
SET STATEMENT foreign_key_checks = 0 FOR
ALTER TABLE topics WAIT 1
    ADD CONSTRAINT topics_account_fkey FOREIGN KEY IF NOT EXISTS (account) REFERENCES accounts (account);

-- name: drop_foreign_keys_of_topics
ALTER TABLE topics WAIT 1 DROP FOREIGN KEY IF EXISTS topics_account_fkey;

-- name: add_foreign_keys_of_subscriptions
SET STATEMENT foreign_key_checks = 0 FOR
ALTER TABLE subscriptions WAIT 1
    ADD CONSTRAINT subscriptions_connection_fkey FOREIGN KEY IF NOT EXISTS (connection) REFERENCES connections (id),
    ADD CONSTRAINT subscriptions_topic_fkey FOREIGN KEY IF NOT EXISTS (account, topic)
        REFERENCES topics (account, topic);

-- name: drop_foreign_keys_of_subscriptions
ALTER TABLE subscriptions WAIT 1
    DROP FOREIGN KEY IF EXISTS subscriptions_connection_fkey,
    DROP FOREIGN KEY IF EXISTS subscriptions_topic_fkey;

-- name: add_foreign_keys_of_chats
SET STATEMENT foreign_key_checks = 0 FOR
ALTER TABLE chats WAIT 1
    ADD CONSTRAINT chats_account_fkey FOREIGN KEY IF NOT EXISTS (account) REFERENCES accounts (account),
    ADD CONSTRAINT chats_offered_by_fkey FOREIGN KEY IF NOT EXISTS (offered_by) REFERENCES connections (id),
    ADD CONSTRAINT chats_accepted_by_fkey FOREIGN KEY IF NOT EXISTS (accepted_by) REFERENCES connections (id);

-- name: drop_foreign_keys_of_chats
ALTER TABLE chats WAIT 1
    DROP FOREIGN KEY IF EXISTS chats_account_fkey,
    DROP FOREIGN KEY IF EXISTS chats_offered_by_fkey,
    DROP FOREIGN KEY IF EXISTS chats_accepted_by_fkey;

-- name: add_foreign_keys_of_messages
SET STATEMENT foreign_key_checks = 0 FOR
ALTER TABLE messages WAIT 1
    ADD CONSTRAINT messages_sender_fkey FOREIGN KEY IF NOT EXISTS (sender) REFERENCES connections (id),
    ADD CONSTRAINT messages_chat_fkey FOREIGN KEY IF NOT EXISTS (account, chat) REFERENCES chats (account, id);

-- name: drop_foreign_keys_of_messages
ALTER TABLE messages WAIT 1
    DROP FOREIGN KEY IF EXISTS messages_sender_fkey,
    DROP FOREIGN KEY IF EXISTS messages_chat_fkey;

-- name: add_foreign_keys_of_events
SET STATEMENT foreign_key_checks = 0 FOR
ALTER TABLE events WAIT 1
    ADD CONSTRAINT events_topic_fkey FOREIGN KEY IF NOT EXISTS (account, topic)
        REFERENCES topics (account, topic);

-- name: drop_foreign_keys_of_events
ALTER TABLE events WAIT 1 DROP FOREIGN KEY IF EXISTS events_topic_fkey;
