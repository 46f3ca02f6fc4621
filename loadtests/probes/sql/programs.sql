-- What programs call themselves that have connected.
SELECT processlist_id AS session, attr_value AS program
FROM performance_schema.session_connect_attrs
WHERE attr_name = 'program_name' AND attr_value <> ''
