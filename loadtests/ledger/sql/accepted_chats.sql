SELECT id FROM chats WHERE accepted_by IS NOT NULL
