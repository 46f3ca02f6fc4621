SELECT c.account, c.id, c.state, c.accepted_by FROM chats AS c
