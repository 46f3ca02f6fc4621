SELECT 1 FROM chats WHERE account = ? AND state <> 'closed' ORDER BY id FOR UPDATE
