SELECT m.account, m.key, m.chat FROM messages AS m
