SELECT 1 FROM accounts WHERE account = ? FOR UPDATE
