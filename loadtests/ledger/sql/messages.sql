SELECT key FROM messages
