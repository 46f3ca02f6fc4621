-- Foreign keys, by table. NOT VALID: for rows to come, and for those that change; what is there already, orphans
-- among it, is neither read nor refused. A change of a table waits for its users, and all others wait
-- behind him: a second at most.

-- name: constrained_tables
SELECT DISTINCT conrelid::regclass::text FROM pg_constraint
WHERE contype = 'f' AND connamespace = current_schema()::regnamespace;

-- name: add_foreign_keys_of_connections
SET LOCAL lock_timeout = '1s';
ALTER TABLE connections ADD CONSTRAINT connections_account_fkey FOREIGN KEY (account) REFERENCES accounts NOT VALID;

-- name: drop_foreign_keys_of_connections
SET LOCAL lock_timeout = '1s';
ALTER TABLE connections DROP CONSTRAINT IF EXISTS connections_account_fkey;

-- name: add_foreign_keys_of_topics
SET LOCAL lock_timeout = '1s';
ALTER TABLE topics ADD CONSTRAINT topics_account_fkey FOREIGN KEY (account) REFERENCES accounts NOT VALID;

-- name: drop_foreign_keys_of_topics
SET LOCAL lock_timeout = '1s';
ALTER TABLE topics DROP CONSTRAINT IF EXISTS topics_account_fkey;

-- name: add_foreign_keys_of_subscriptions
SET LOCAL lock_timeout = '1s';
ALTER TABLE subscriptions
    ADD CONSTRAINT subscriptions_connection_fkey FOREIGN KEY (connection) REFERENCES connections NOT VALID,
    ADD CONSTRAINT subscriptions_topic_fkey FOREIGN KEY (account, topic) REFERENCES topics NOT VALID;

-- name: drop_foreign_keys_of_subscriptions
SET LOCAL lock_timeout = '1s';
ALTER TABLE subscriptions
    DROP CONSTRAINT IF EXISTS subscriptions_connection_fkey,
    DROP CONSTRAINT IF EXISTS subscriptions_topic_fkey;

-- name: add_foreign_keys_of_chats
SET LOCAL lock_timeout = '1s';
ALTER TABLE chats
    ADD CONSTRAINT chats_account_fkey FOREIGN KEY (account) REFERENCES accounts NOT VALID,
    ADD CONSTRAINT chats_offered_by_fkey FOREIGN KEY (offered_by) REFERENCES connections NOT VALID,
    ADD CONSTRAINT chats_accepted_by_fkey FOREIGN KEY (accepted_by) REFERENCES connections NOT VALID;

-- name: drop_foreign_keys_of_chats
SET LOCAL lock_timeout = '1s';
ALTER TABLE chats
    DROP CONSTRAINT IF EXISTS chats_account_fkey,
    DROP CONSTRAINT IF EXISTS chats_offered_by_fkey,
    DROP CONSTRAINT IF EXISTS chats_accepted_by_fkey;

-- name: add_foreign_keys_of_messages
SET LOCAL lock_timeout = '1s';
ALTER TABLE messages
    ADD CONSTRAINT messages_sender_fkey FOREIGN KEY (sender) REFERENCES connections NOT VALID,
    ADD CONSTRAINT messages_chat_fkey FOREIGN KEY (account, chat) REFERENCES chats NOT VALID;

-- name: drop_foreign_keys_of_messages
SET LOCAL lock_timeout = '1s';
ALTER TABLE messages
    DROP CONSTRAINT IF EXISTS messages_sender_fkey,
    DROP CONSTRAINT IF EXISTS messages_chat_fkey;

-- name: add_foreign_keys_of_events
SET LOCAL lock_timeout = '1s';
ALTER TABLE events ADD CONSTRAINT events_topic_fkey FOREIGN KEY (account, topic) REFERENCES topics NOT VALID;

-- name: drop_foreign_keys_of_events
SET LOCAL lock_timeout = '1s';
ALTER TABLE events DROP CONSTRAINT IF EXISTS events_topic_fkey;
