#!/bin/sh
# Makes the two roles of docs/guide/postgresql.md when the server starts the first time.
set -eu
psql -X -v ON_ERROR_STOP=1 -U "${POSTGRES_USER:-postgres}" -d postgres \
	-v owner="$(cat /run/secrets/postgres-owner)" -v app="$(cat /run/secrets/postgres-app)" <<'SQL'
CREATE ROLE warder_owner LOGIN PASSWORD :'owner';
CREATE ROLE warder_app LOGIN PASSWORD :'app';
CREATE DATABASE warder OWNER warder_owner ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE warder FROM PUBLIC;
GRANT CONNECT ON DATABASE warder TO warder_app;
\connect warder
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA warder AUTHORIZATION warder_owner;
SQL
