SELECT t.account, t.topic, t.head FROM topics AS t WHERE t.head > 0
