#!/bin/sh
# The ordinary role that a pod connects as, and its database: connections are reserved for superusers only.
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv password POD_PASSWORD
create role pod login password :'password';
create database pod owner pod;
revoke connect on database pod from public;
SQL
