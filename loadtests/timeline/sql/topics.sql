SELECT 1 FROM topics WHERE account = ? AND topic = 'queue' FOR UPDATE
