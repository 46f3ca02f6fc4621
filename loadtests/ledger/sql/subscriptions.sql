SELECT s.account, s.connection, s.topic FROM subscriptions AS s
