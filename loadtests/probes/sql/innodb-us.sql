-- In which statement this session was when InnoDB made its copy of its tables; no row where it was in no transaction.
SELECT left(trx_query, 100) AS query
FROM information_schema.innodb_trx
WHERE trx_mysql_thread_id = connection_id()
