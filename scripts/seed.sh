#!/bin/bash
# seed.sh [STORE...] - put sample data into a running stack.
#
# Usage:  COMPOSE_PROJECT_NAME=whisperengine scripts/seed.sh [postgresql] [redis] [chromadb] [neo4j]
#
# Without arguments every store is seeded; a store that is not running is skipped with a message. ChromaDB and Neo4j have to
# publish their HTTP ports; Neo4j has to be 5.25 or newer (scripts/cypher.sh).
# What an earlier run (or tests/stack/mutate.sh) left behind is removed first, so it can be repeated at will.
# Only things of these names are touched:
#   PostgreSQL  databases shop, sample_latin1, sample_added and one called  My "odd" D'b ; roles sample_* and one called
#               Odd "Role" O'Neil ; schemas sample and sample_* elsewhere; large objects 900001 to 900009 of POSTGRES_DB
#   Redis       keys sample:* of all databases and the key whose name is empty; function libraries sample*
#   ChromaDB    collections sample_* of the default database, databases sample_* of the default tenant, tenant sample_tenant
#   Neo4j       nodes labelled Sample, indexes, constraints and users sample_*
# The data is made to be awkward: see the comments below. Meant for test stacks: passwords are published here.
set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C

project=${COMPOSE_PROJECT_NAME:-whisperengine}
say() { printf 'seed: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

running() { # SERVICE: prints the id of its running container, or nothing
  local ids
  ids=$(docker ps --quiet --no-trunc --filter status=running \
    --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$1")
  printf '%s' "${ids%%$'\n'*}"
}

# --- PostgreSQL -------------------------------------------------------------------------------------------------------

sql() { # CONTAINER DATABASE (empty: POSTGRES_DB): runs the SQL on standard input, first error ends it
  # shellcheck disable=SC2016
  docker exec -i -e "WANTED=$2" "$1" sh -c '
    export PGUSER="${POSTGRES_USER:-postgres}" PGPASSWORD="${POSTGRES_PASSWORD:-}" PGCLIENTENCODING=UTF8
    export PGDATABASE="${WANTED:-${POSTGRES_DB:-$PGUSER}}" PGOPTIONS="-c default_transaction_read_only=off -c client_min_messages=warning"
    exec psql -X -q -A -t -v ON_ERROR_STOP=1 -f - >/dev/null'
}

seed_postgresql() {
  local c=$1 db
  # Away with what was there. A template, a read-only database and roles that own things all resist a plain DROP.
  sql "$c" postgres <<'SQL'
SELECT format('ALTER DATABASE %I WITH IS_TEMPLATE false', datname) FROM pg_database WHERE datname = 'sample_latin1' \gexec
SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database
  WHERE datname IN ('shop', 'My "odd" D''b', 'sample_latin1', 'sample_added') \gexec
ALTER ROLE CURRENT_USER RESET statement_timeout;
SQL
  for db in '' postgres template1; do
    sql "$c" "$db" <<'SQL'
DROP EVENT TRIGGER IF EXISTS sample_watch;
DROP PUBLICATION IF EXISTS sample_publication;
DROP SCHEMA IF EXISTS sample CASCADE;
DROP SCHEMA IF EXISTS sample_site CASCADE;
DROP SCHEMA IF EXISTS sample_maintenance CASCADE;
DROP SCHEMA IF EXISTS sample_new CASCADE;
SELECT lo_unlink(oid) FROM pg_largeobject_metadata WHERE oid BETWEEN 900001 AND 900009;
SELECT format('DROP OWNED BY %I CASCADE', rolname) FROM pg_roles
  WHERE (rolname LIKE 'sample\_%' OR rolname = 'Odd "Role" O''Neil') ORDER BY 1 \gexec
SQL
  done

  # Roles: groups, logins, both kinds of password, limits, settings, memberships with options, a name full of quotes.
  sql "$c" postgres <<'SQL'
SELECT format('DROP ROLE %I', rolname) FROM pg_roles
  WHERE (rolname LIKE 'sample\_%' OR rolname = 'Odd "Role" O''Neil') ORDER BY 1 \gexec
CREATE ROLE sample_reader NOLOGIN;
CREATE ROLE sample_group NOLOGIN NOINHERIT;
CREATE ROLE sample_admin LOGIN CREATEDB CREATEROLE PASSWORD 'adm\in''s "pass"';
CREATE ROLE sample_writer LOGIN PASSWORD 'writer-1' CONNECTION LIMIT 7;
CREATE ROLE sample_expired LOGIN PASSWORD 'gone' VALID UNTIL '2021-02-03 04:05:06+00';
CREATE ROLE sample_replica LOGIN REPLICATION BYPASSRLS PASSWORD NULL;
CREATE ROLE sample_leaver LOGIN PASSWORD 'leaver';
CREATE ROLE "Odd ""Role"" O'Neil" LOGIN PASSWORD 'ünïcödé ✓';
SET password_encryption = 'md5';
CREATE ROLE sample_legacy LOGIN PASSWORD 'old-hash';
RESET password_encryption;
GRANT sample_reader TO sample_writer, sample_leaver;
GRANT sample_group TO sample_admin WITH ADMIN OPTION;
GRANT sample_writer TO "Odd ""Role"" O'Neil";
GRANT pg_monitor TO sample_admin;
ALTER ROLE sample_writer SET search_path = stock, "Quoted Schema", public;
ALTER ROLE sample_writer SET statement_timeout = '90s';
ALTER ROLE "Odd ""Role"" O'Neil" SET application_name = 'it''s "odd" \ here';
COMMENT ON ROLE sample_admin IS 'the administrator''s
second line \ and ünïcödé';

CREATE DATABASE shop OWNER sample_admin;
CREATE DATABASE "My ""odd"" D'b" TEMPLATE template0 CONNECTION LIMIT 40;
CREATE DATABASE sample_latin1 TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' OWNER sample_legacy;
COMMENT ON DATABASE shop IS 'sample shop; DROP DATABASE shop;';
ALTER DATABASE shop SET work_mem = '7MB';
ALTER DATABASE shop SET "DateStyle" = 'SQL, DMY';
ALTER DATABASE "My ""odd"" D'b" SET search_path = "Quoted Schema", public;
ALTER ROLE sample_writer IN DATABASE "My ""odd"" D'b" SET "TimeZone" = 'Asia/Kathmandu';
REVOKE CONNECT ON DATABASE shop FROM PUBLIC;
GRANT CONNECT, TEMP ON DATABASE shop TO sample_reader;
GRANT CREATE ON DATABASE "My ""odd"" D'b" TO "Odd ""Role"" O'Neil" WITH GRANT OPTION;

CREATE SCHEMA sample_maintenance;
CREATE TABLE sample_maintenance.jobs (id integer PRIMARY KEY, what text);
INSERT INTO sample_maintenance.jobs SELECT i, 'job ' || i FROM generate_series(1, 25) i;
SQL

  # Something of the site's own in template1: every database made from it starts with a copy.
  sql "$c" template1 <<'SQL'
CREATE SCHEMA sample_site;
CREATE TABLE sample_site.defaults (name text PRIMARY KEY, value text);
INSERT INTO sample_site.defaults VALUES ('colour', 'blue'), ('path', 'C:\new\table');
SQL

  sql "$c" shop <<'SQL'
-- A few extensions, where the server has them.
DO $do$
DECLARE e text;
BEGIN
  FOR e IN SELECT name FROM pg_available_extensions WHERE name IN ('pgcrypto', 'hstore', 'pg_trgm') ORDER BY 1 LOOP
    BEGIN
      EXECUTE format('CREATE EXTENSION IF NOT EXISTS %I', e);
    EXCEPTION WHEN OTHERS THEN
      RAISE WARNING 'extension %: %', e, SQLERRM;
    END;
  END LOOP;
END
$do$;

CREATE SCHEMA stock AUTHORIZATION sample_admin;
CREATE SCHEMA "Quoted Schema";
GRANT USAGE ON SCHEMA stock TO sample_reader, sample_writer;
ALTER DEFAULT PRIVILEGES FOR ROLE sample_admin IN SCHEMA stock GRANT SELECT ON TABLES TO sample_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE sample_admin REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO sample_writer;

CREATE TYPE mood AS ENUM ('sad', 'ok', 'hap''py', 'größe "x"');
ALTER TYPE mood ADD VALUE 'late' BEFORE 'ok';
CREATE DOMAIN email AS text CHECK (VALUE ~ '^[^@\s]+@[^@\s]+$');
CREATE TYPE address AS (street text, zip integer);
CREATE TYPE span AS RANGE (subtype = float8);

CREATE TABLE customers (
  id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  mail email UNIQUE,
  mood mood DEFAULT 'ok',
  home address,
  tags text[],
  grid integer[][],
  doc jsonb,
  raw json,
  photo bytea,
  created timestamptz NOT NULL DEFAULT '2024-02-29 12:00:00+00',
  balance numeric(30, 10),
  ratio double precision,
  during int4range,
  level span,
  uid uuid,
  ip inet,
  place point,
  bits bit varying(64),
  waiting interval,
  upper_name text GENERATED ALWAYS AS (upper(name)) STORED
);
COMMENT ON TABLE customers IS E'people\n\\connect postgres\nwho''buy';
COMMENT ON COLUMN customers.mail IS 'a "mail" address';
INSERT INTO customers (name, mail, mood, home, tags, grid, doc, raw, photo, created, balance, ratio, during, level, uid, ip, place, bits, waiting)
SELECT 'customer ' || i, 'c' || i || '@example.org', (enum_range(NULL::mood))[1 + i % 5], ROW('street "' || i || '"', i)::address,
  ARRAY['t' || i % 7, 'a,b', 'c"d', 'NULL', NULL, ''], ARRAY[[i, i + 1], [NULL, -i]],
  jsonb_build_object('n', i, 'text', 'wert \ ' || i, 'list', jsonb_build_array(1, null, true, 1.50)), ('{"b" : 1,  "a":' || i || ', "b":2}')::json,
  decode(md5(i::text) || '00ff5c0a', 'hex'), timestamptz '2020-01-01 00:00:00+00' + i * interval '1 hour 1.000001 s',
  i * 1234567.0123456789, 1.0 / i, int4range(i, i + 10), span(i, i + 0.1), md5('u' || i)::uuid,
  ('10.0.' || i % 256 || '.' || i % 255)::inet, point(i / 3.0, -i), (i::bit(20))::bit varying, i * interval '1 day -2 hours'
FROM generate_series(1, 2500) i;
INSERT INTO customers (name, ratio, balance, created) VALUES
  (E'tab\there, newline\nthere, return\rback\\slash', 'NaN', 'NaN', 'infinity'),
  ('C:\new\table\.', 'Infinity', -0.0000000001, '-infinity'),
  ('\.', '-Infinity', 0, '0044-03-15 12:00:00+00 BC'),
  ('\N', '-0', NULL, '294276-12-31 23:59:59.999999+00'),
  ('', 1e-300, 1, '1999-12-31 23:59:60+00'),
  ('日本語 Ελληνικά עברית 🎉 ​ zero width', 0.1, 2, '2024-03-31 02:30:00+01'),
  ($q$it's "quoted" $body$ $$ %s $1 :name :'name' ; -- no comment /* nor this */$q$, 3, 3, '2024-01-01'),
  (repeat('long ünï ', 4000), 4, 4, '2024-01-01');

-- No key, and rows that are there twice. One text column: each row is one line of the dump, whatever it looks like.
CREATE TABLE lines (line text);
INSERT INTO lines VALUES ('\connect postgres'), ('DROP DATABASE shop;'), ('\.'), ('\N'), (''), (NULL), ('\unrestrict'),
  ('CREATE ROLE ' || quote_ident(current_user) || ';'), ('-- PostgreSQL database cluster dump complete'),
  ('COPY public.lines (line) FROM stdin;'), ('\connect -reuse-previous=on "dbname=''shop''"'), ('$_$'), (E'a\n\\.\nb'),
  ('DROP ROLE sample_admin;'), ('CREATE DATABASE shop;'), ('--'), ('-- Database "shop" dump');
INSERT INTO lines SELECT line FROM lines;
INSERT INTO lines SELECT 'line ' || i / 2 FROM generate_series(1, 1000) i;
CREATE TABLE nothing ();
INSERT INTO nothing SELECT FROM generate_series(1, 3);

-- Foreign keys, also in a circle and to itself; partial, expression and hash indexes.
CREATE TABLE orders (
  id serial PRIMARY KEY,
  customer bigint NOT NULL REFERENCES customers ON DELETE CASCADE,
  total numeric(12, 2) CHECK (total >= 0),
  note text,
  last_item integer,
  parent integer REFERENCES orders ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE items (
  id serial PRIMARY KEY,
  orderno integer NOT NULL REFERENCES orders ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  what text, quantity integer DEFAULT 1
);
INSERT INTO orders (customer, total, note, parent) SELECT 1 + i % 2000, i / 7.0, 'note ' || md5(i::text), nullif(i - 1, 0) FROM generate_series(1, 3000) i;
INSERT INTO items (orderno, what, quantity) SELECT 1 + i % 3000, 'thing ' || i, i % 9 FROM generate_series(1, 6000) i;
UPDATE orders SET last_item = (SELECT max(id) FROM items WHERE orderno = orders.id);
ALTER TABLE orders ADD CONSTRAINT orders_last FOREIGN KEY (last_item) REFERENCES items ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX orders_big ON orders (total DESC) WHERE total > 100;
CREATE INDEX "Customers Lower" ON customers (lower(name) text_pattern_ops, created);
CREATE INDEX customers_doc ON customers USING gin (doc);
CREATE INDEX items_hash ON items USING hash (what);
CREATE STATISTICS orders_stat (dependencies) ON customer, total FROM orders;
CLUSTER orders USING orders_pkey;
DO $do$
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') THEN
    CREATE INDEX lines_trgm ON lines USING gin (line gin_trgm_ops);
  END IF;
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'hstore') THEN
    CREATE TABLE pairs (id integer PRIMARY KEY, h hstore);
    INSERT INTO pairs SELECT i, hstore(ARRAY['a"b', i::text, 'leer', NULL]) FROM generate_series(1, 100) i;
  END IF;
END
$do$;

-- Sequences: moved on, cycling, descending, never used.
CREATE SEQUENCE ticket START 1000 INCREMENT 5;
SELECT nextval('ticket') FROM generate_series(1, 77);
CREATE SEQUENCE down INCREMENT -3 MINVALUE -100 MAXVALUE -1 CYCLE;
SELECT nextval('down') FROM generate_series(1, 5);
CREATE SEQUENCE untouched AS smallint;
SELECT setval('orders_id_seq', 12345, false);

-- Partitions, inheritance, an unlogged table, a typed table, a table of another role with column rights.
CREATE TABLE events (at date NOT NULL, kind text, payload jsonb) PARTITION BY RANGE (at);
CREATE TABLE events_2023 PARTITION OF events FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_rest PARTITION OF events DEFAULT;
CREATE INDEX events_kind ON events (kind);
INSERT INTO events SELECT date '2022-06-01' + i, 'kind ' || i % 5, jsonb_build_object('i', i) FROM generate_series(1, 1200) i;
CREATE TABLE parent (id integer, what text);
CREATE TABLE child (extra text DEFAULT 'x') INHERITS (parent);
INSERT INTO parent VALUES (1, 'p'); INSERT INTO child VALUES (2, 'c', 'y');
CREATE UNLOGGED TABLE scratch (id integer, v text);
INSERT INTO scratch SELECT i, 'v' || i FROM generate_series(1, 50) i;
SET ROLE sample_admin;
CREATE TABLE stock.shelves (id integer PRIMARY KEY, label varchar(40) COLLATE "C", secret text);
INSERT INTO stock.shelves SELECT i, 'shelf ' || i, 'hidden' FROM generate_series(1, 40) i;
GRANT SELECT (id, label), UPDATE (label) ON stock.shelves TO sample_writer WITH GRANT OPTION;
ALTER TABLE stock.shelves ENABLE ROW LEVEL SECURITY;
CREATE POLICY low ON stock.shelves FOR SELECT TO sample_reader USING (id < 20);
RESET ROLE;
CREATE TABLE "Quoted Schema"."Table ""with"" 'quotes'" ("Column ""1""" text PRIMARY KEY, "select" integer);
INSERT INTO "Quoted Schema"."Table ""with"" 'quotes'" VALUES ('a', 1), ('b\', 2);

-- Views: of one another, with a rule, materialized with and without data.
CREATE VIEW rich AS SELECT id, name, balance FROM customers WHERE balance > 1000000 WITH CHECK OPTION;
CREATE VIEW richest WITH (security_barrier) AS SELECT * FROM rich ORDER BY balance DESC, id LIMIT 5;
CREATE MATERIALIZED VIEW totals AS SELECT customer, count(*) AS n, sum(total) AS s FROM orders GROUP BY customer ORDER BY customer;
CREATE UNIQUE INDEX totals_customer ON totals (customer);
CREATE MATERIALIZED VIEW unfilled AS SELECT count(*) AS n FROM items WITH NO DATA;
CREATE RULE no_delete AS ON DELETE TO parent DO INSTEAD NOTHING;
GRANT SELECT ON rich, totals TO sample_reader;
GRANT INSERT, UPDATE ON customers TO sample_writer WITH GRANT OPTION;
SET ROLE sample_writer;
GRANT INSERT ON customers TO sample_legacy;
RESET ROLE;

-- Functions with bodies that a careless reader of the dump trips over.
CREATE FUNCTION trap() RETURNS text LANGUAGE sql IMMUTABLE AS $body$
SELECT 'one
\connect postgres
DROP DATABASE shop;
\.
-- PostgreSQL database cluster dump complete
two'::text;
$body$;
CREATE FUNCTION trap_too() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $fn$
BEGIN
  /*
\connect postgres
DROP DATABASE shop;
CREATE ROLE nobody;
\q
COPY public.lines (line) FROM stdin;
  */
  PERFORM $_$it's \ $$ here$_$::text;
END
$fn$;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.note := coalesce(NEW.note, '') || ' [stamped]';
  RETURN NEW;
END
$$;
CREATE TRIGGER orders_stamp BEFORE INSERT OR UPDATE OF note ON orders FOR EACH ROW WHEN (NEW.total > 5) EXECUTE FUNCTION stamp();
CREATE TRIGGER orders_off AFTER DELETE ON orders FOR EACH STATEMENT EXECUTE FUNCTION stamp();
ALTER TABLE orders DISABLE TRIGGER orders_off;
CREATE PROCEDURE tidy(INOUT n integer) LANGUAGE sql AS 'SELECT n + 1';
CREATE AGGREGATE product(numeric) (SFUNC = numeric_mul, STYPE = numeric, INITCOND = '1');
CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq, COMMUTATOR = ===);
CREATE TEXT SEARCH CONFIGURATION plain (COPY = simple);
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER far FOREIGN DATA WRAPPER nowhere OPTIONS (host 'example.org', path 'a\b''c');
CREATE USER MAPPING FOR sample_writer SERVER far OPTIONS (password 'se''cret');
SET client_min_messages = error; -- wal_level does not matter here
CREATE PUBLICATION sample_publication FOR TABLE customers, orders;
RESET client_min_messages;
CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE EVENT TRIGGER sample_watch ON ddl_command_end EXECUTE FUNCTION watch();

-- Large objects: with an owner, rights, a comment; one of several pages, one empty.
SELECT lo_from_bytea(900001, '\x00ff5c2e0a27225c6e');
SELECT lo_from_bytea(900002, convert_to(string_agg(md5(i::text), '' ORDER BY i), 'UTF8')) FROM generate_series(1, 10000) i;
SELECT lo_create(900003);
ALTER LARGE OBJECT 900002 OWNER TO sample_admin;
GRANT SELECT ON LARGE OBJECT 900002 TO sample_reader;
COMMENT ON LARGE OBJECT 900001 IS 'small ''object''';
SQL

  sql "$c" "My \"odd\" D'b" <<'SQL'
CREATE SCHEMA "Quoted Schema" AUTHORIZATION "Odd ""Role"" O'Neil";
CREATE TABLE "Quoted Schema".entries (id integer PRIMARY KEY, txt text);
INSERT INTO "Quoted Schema".entries SELECT i, 'entry ' || i || E' \\ \'quoted\' "twice"' FROM generate_series(1, 800) i;
ALTER TABLE "Quoted Schema".entries OWNER TO "Odd ""Role"" O'Neil";
CREATE TABLE public.doubles (a integer, b text);
INSERT INTO public.doubles SELECT i % 10, 'same' FROM generate_series(1, 200) i;
SELECT lo_from_bytea(900001, '\xdeadbeef');
SQL

  # Another encoding, a template, and read-only for whoever connects without asking for more.
  sql "$c" sample_latin1 <<'SQL'
CREATE TABLE names (id serial PRIMARY KEY, name text);
INSERT INTO names (name) SELECT 'Müller ß é ' || i FROM generate_series(1, 300) i;
ALTER DATABASE sample_latin1 SET default_transaction_read_only = on;
ALTER DATABASE sample_latin1 IS_TEMPLATE true;
SQL

  sql "$c" '' <<'SQL'
CREATE SCHEMA sample;
ALTER DATABASE :"DBNAME" SET maintenance_work_mem = '33MB';
GRANT USAGE ON SCHEMA sample TO sample_reader;
CREATE TABLE sample.users (id bigserial PRIMARY KEY, handle text UNIQUE NOT NULL, profile jsonb, joined timestamptz);
INSERT INTO sample.users (handle, profile, joined)
SELECT 'user' || i, jsonb_build_object('name', 'Nutzer ' || i, 'likes', jsonb_build_array('tea', 'Ärger', '🦉'), 'score', i / 8.0),
  timestamptz '2023-01-01 00:00:00+00' + i * interval '13 minutes' FROM generate_series(1, 1500) i;
CREATE TABLE sample.messages (user_id bigint REFERENCES sample.users, at timestamptz, body text);
INSERT INTO sample.messages SELECT 1 + i % 1500, timestamptz '2024-05-01 00:00:00+00' + i * interval '1 second', 'message ' || md5(i::text) || E'\n\tand more \\'
FROM generate_series(1, 5000) i;
CREATE INDEX ON sample.messages (user_id, at);
CREATE TABLE sample.notes (note text);
INSERT INTO sample.notes SELECT 'the same note' FROM generate_series(1, 20);
CREATE TABLE sample.empty_one (id integer PRIMARY KEY);
CREATE VIEW sample.recent AS SELECT u.handle, m.body FROM sample.users u JOIN sample.messages m ON m.user_id = u.id WHERE m.at > '2024-05-01 01:00:00+00';
GRANT SELECT ON ALL TABLES IN SCHEMA sample TO sample_reader, sample_leaver;
ALTER DEFAULT PRIVILEGES IN SCHEMA sample GRANT SELECT ON TABLES TO sample_reader;
SELECT lo_from_bytea(900004, convert_to(repeat('whisper ', 2000), 'UTF8'));
SQL
}

# --- Redis ------------------------------------------------------------------------------------------------------------

redis() { # CONTAINER ARGUMENT...
  # shellcheck disable=SC2016
  docker exec -i "$1" sh -c 'if [ -n "${REDIS_PASSWORD:-}" ]; then export REDISCLI_AUTH="$REDIS_PASSWORD"; fi; exec redis-cli "$@"' sh "${@:2}"
}

lua() { # CONTAINER SCRIPT: runs it; it has to answer OK
  local answer
  answer=$(redis "$1" EVAL "$2" 0 </dev/null)
  [[ $answer == OK ]] || die "redis: $answer"
}

seed_redis() {
  local c=$1 databases answer lib
  databases=$(redis "$c" CONFIG GET databases </dev/null | tail -n 1)
  lua "$c" "
for db = 0, $databases - 1 do
  redis.call('SELECT', db)
  for _, key in ipairs(redis.call('KEYS', 'sample:*')) do redis.call('DEL', key) end
  redis.call('DEL', '')
end
return redis.status_reply('OK')"
  # Every type, below and above the size at which the encoding changes; binary data; odd key names.
  lua "$c" '
local all = {}
for i = 0, 255 do all[#all + 1] = string.char(i) end
all = table.concat(all)
redis.call("SELECT", 0)
redis.call("SET", "", "the key without a name")
redis.call("SET", "sample:text", "plain")
redis.call("SET", "sample:empty", "")
redis.call("SET", "sample:number", "-9223372036854775808")
redis.call("SET", "sample:binary", all)
redis.call("SET", "sample:key " .. all, "binary key")
redis.call("SET", "sample:\"quoted\" \n\\n key", "line one\r\nline two\\")
redis.call("SET", "sample:unicode:ключ:🎉", "значение ✓")
redis.call("SET", "sample:big", string.rep(all, 2000))
redis.call("APPEND", "sample:text", " appended")
for i = 1, 2000 do
  local key = "sample:session:" .. i
  redis.call("SET", key, redis.sha1hex(key))
  if i % 2 == 0 then redis.call("EXPIRE", key, 864000 + i * 60) end
end
redis.call("SET", "sample:far", "ttl of ten years", "EX", 315360000)
for i = 1, 5 do redis.call("RPUSH", "sample:list:small", "e" .. i) end
for i = 1, 4000 do redis.call("RPUSH", "sample:list:large", "element " .. i .. string.rep("x", i % 50)) end
for i = 1, 20 do redis.call("LPUSH", "sample:list:long-elements", string.rep(string.char(i), 12000)) end
redis.call("SADD", "sample:set:numbers", 3, 1, 2, -5)
for i = 1, 1200 do redis.call("SADD", "sample:set:many-numbers", i * 7919) end
redis.call("SADD", "sample:set:small", "a", "b", all)
for i = 1, 3000 do redis.call("SADD", "sample:set:large", "member " .. i) end
redis.call("ZADD", "sample:zset:small", 1, "one", 2.5, "two", "-inf", "low", "+inf", "high", 0.1, "tenth")
for i = 1, 3000 do redis.call("ZADD", "sample:zset:large", i / 7, "member " .. i) end
redis.call("HSET", "sample:hash:small", "field", "value", "", "empty field", all, "binary field")
for i = 1, 3000 do redis.call("HSET", "sample:hash:large", "field " .. i, "value " .. i * i) end
redis.call("HSET", "sample:hash:long-value", "f", string.rep("long ", 5000))
redis.call("EXPIRE", "sample:hash:large", 2000000)
redis.call("GEOADD", "sample:geo", 13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania", 13.4, 52.5, "Berlin")
for i = 1, 3 do redis.call("PFADD", "sample:hll:few", "v" .. i) end
for i = 1, 5000 do redis.call("PFADD", "sample:hll:many", "visitor " .. i) end
redis.call("SETBIT", "sample:bitmap", 7, 1)
redis.call("SETBIT", "sample:bitmap", 100000, 1)
return redis.status_reply("OK")'
  # A stream with deleted entries, groups, consumers and entries that were read and never acknowledged.
  lua "$c" '
redis.call("SELECT", 1)
for i = 1, 1000 do redis.call("XADD", "sample:stream", (1700000000000 + i * 10) .. "-" .. i % 3, "user", "u" .. i % 10, "text", "message " .. i) end
redis.call("XDEL", "sample:stream", "1700000000020-2", "1700000005000-2")
redis.call("XGROUP", "CREATE", "sample:stream", "workers", "0")
redis.call("XGROUP", "CREATE", "sample:stream", "idle", "$")
redis.call("XREADGROUP", "GROUP", "workers", "alice", "COUNT", 20, "STREAMS", "sample:stream", ">")
redis.call("XREADGROUP", "GROUP", "workers", "bob", "COUNT", 15, "STREAMS", "sample:stream", ">")
redis.call("XACK", "sample:stream", "workers", "1700000000010-1", "1700000000050-2")
redis.call("XGROUP", "CREATECONSUMER", "sample:stream", "workers", "carol")
redis.call("XADD", "sample:stream:gone", "5-5", "a", "b")
redis.call("XDEL", "sample:stream:gone", "5-5")
for i = 1, 500 do redis.call("HSET", "sample:profile:" .. i, "name", "name " .. i, "seen", i * 1000) end
redis.call("SELECT", 3)
for i = 1, 500 do redis.call("SET", "sample:cache:" .. i, string.rep("c" .. i, 20), "PX", 400000000 + i * 1111) end
redis.call("SET", "sample:text", "the same name in another database")
redis.call("SELECT", 15)
for i = 1, 50 do redis.call("RPUSH", "sample:queue:" .. i % 5, "job " .. i) end
return redis.status_reply("OK")'
  if redis "$c" INFO server </dev/null | tr -d '\r' | awk -F '[:.]' '$1 == "redis_version" { v = $2 } END { exit v < 7 }'; then
    for lib in samplelib sampleother samplenew; do
      redis "$c" FUNCTION DELETE "$lib" </dev/null >/dev/null
    done
    answer=$(redis "$c" -x FUNCTION LOAD <<'LUA'
#!lua name=samplelib
-- Two functions, "quoted" text and a backslash \ in a comment
local function hello(keys, args)
  return 'hello ' .. (args[1] or 'world')
end
redis.register_function('sample_hello', hello)
redis.register_function{function_name = 'sample_get', callback = function(keys) return redis.call('GET', keys[1]) end, flags = {'no-writes'}}
LUA
)
    [[ $answer == samplelib ]] || die "redis: $answer"
    answer=$(redis "$c" -x FUNCTION LOAD <<<$'#!lua name=sampleother\nredis.register_function(\'sample_one\', function() return 1 end)')
    [[ $answer == sampleother ]] || die "redis: $answer"
  else
    say "this Redis has no function libraries"
  fi
}

# --- ChromaDB ---------------------------------------------------------------------------------------------------------

chroma_url() { # CONTAINER: prints the address of its published port
  local at host
  at=$(docker port "$1" | awk 'NR == 1 { print $3 }')
  [[ -n $at ]] || die "chromadb: no port is published"
  host=${at%:*}
  case $host in 0.0.0.0 | :: | '[::]') host=127.0.0.1 ;; esac
  printf 'http://%s:%s/api/v2' "$host" "${at##*:}"
}

http() { # METHOD URL [BODY | -]: prints the answer; fails unless it is a 2xx
  local arguments=(--silent --show-error --fail-with-body --noproxy '*' --max-time 120 --request "$1")
  if (($# > 2)); then arguments+=(--header 'Content-Type: application/json' --data-binary "${3/#-/@-}"); fi
  curl "${arguments[@]}" "$2"
}

vectors() { # FROM COUNT SEED: prints the body of a request that adds (or upserts) that many records
  awk -v from="$1" -v count="$2" -v seed="$3" 'BEGIN {
    last = from + count - 1
    printf "{\"ids\":["
    for (i = from; i <= last; i++) printf "%s\"record-%05d\"", (i > from ? "," : ""), i
    printf "],\"embeddings\":["
    for (i = from; i <= last; i++) {
      printf "%s[", (i > from ? "," : "")
      for (j = 0; j < 384; j++) printf "%s%.7f", (j ? "," : ""), sin((i * 0.0137 + seed) * (1 + j % 17) + j * 0.1) * (1 + j % 3)
      printf "]"
    }
    printf "],\"documents\":["
    for (i = from; i <= last; i++)
      printf "%s%s", (i > from ? "," : ""), i % 50 ? "\"Erinnerung " i " · 記憶 🧠 \\\"quoted\\\" back\\\\slash\\nsecond line, seed " seed "\"" : "null"
    printf "],\"metadatas\":["
    for (i = from; i <= last; i++)
      printf "%s{\"user\":\"nutzer-%d\",\"n\":%d,\"score\":%.6f,\"active\":%s,\"sentence\":\"it'\''s \\\"%d\\\" ünï\"}", (i > from ? "," : ""), i % 40, i, i / 7 + 0.5, i % 2 ? "true" : "false", i
    printf "]}\n"
  }'
}

fill() { # COLLECTION-URL COUNT SEED: in batches of at most 200
  local from n
  for ((from = 1; from <= $2; from += 200)); do
    n=$(($2 - from + 1)); n=$((n < 200 ? n : 200))
    vectors "$from" "$n" "$3" | http POST "$1/add" - >/dev/null
  done
}

seed_chromadb() {
  local base tenant db name id body
  base=$(chroma_url "$1")
  local home=$base/tenants/default_tenant/databases/default_database
  for name in $(http GET "$home/collections?limit=1000" | jq -r '.[].name | select(startswith("sample_"))'); do
    http DELETE "$home/collections/$name" >/dev/null
  done
  if ! http GET "$base/tenants/sample_tenant" >/dev/null 2>&1; then
    http POST "$base/tenants" '{"name":"sample_tenant"}' >/dev/null
  fi
  for tenant in default_tenant sample_tenant; do
    for db in $(http GET "$base/tenants/$tenant/databases?limit=1000" | jq -r '.[].name | select(startswith("sample_"))'); do
      for name in $(http GET "$base/tenants/$tenant/databases/$db/collections?limit=1000" | jq -r '.[].name'); do
        http DELETE "$base/tenants/$tenant/databases/$db/collections/$name" >/dev/null
      done
      http DELETE "$base/tenants/$tenant/databases/$db" >/dev/null
    done
    http POST "$base/tenants/$tenant/databases" '{"name":"sample_db"}' >/dev/null
  done

  create() { # DATABASE-URL JSON: prints the id
    http POST "$1/collections" "$2" | jq -er .id
  }
  # 1250 and 2100 records: the index is written to disk after every 1000, the rest waits in the SQLite file.
  id=$(create "$home" '{"name":"sample_memories","metadata":{"purpose":"long-term memory · Gedächtnis","version":3,"weight":0.25,"active":true},"configuration":{"hnsw":{"space":"cosine"}}}')
  fill "$home/collections/$id" 1250 0.3
  id=$(create "$home" '{"name":"sample_facts","metadata":{"purpose":"facts"},"configuration":{"hnsw":{"space":"l2","ef_construction":120,"max_neighbors":24}}}')
  fill "$home/collections/$id" 2100 1.1
  # Below the threshold: the vectors are in the queue alone.
  id=$(create "$home" '{"name":"sample_recent","configuration":{"hnsw":{"space":"ip"}}}')
  fill "$home/collections/$id" 150 2.2
  # Deleted and updated again.
  body=$(jq -cn '{ids: [range(1; 11) | "record-0000\(.)" | .[-12:]]}')
  http POST "$home/collections/$id/delete" "$body" >/dev/null
  create "$home" '{"name":"sample_empty","metadata":{"note":"nothing in it"}}' >/dev/null
  id=$(create "$base/tenants/default_tenant/databases/sample_db" '{"name":"sample_elsewhere"}')
  fill "$base/tenants/default_tenant/databases/sample_db/collections/$id" 60 3.3
  id=$(create "$base/tenants/sample_tenant/databases/sample_db" '{"name":"sample_tenants_own"}')
  fill "$base/tenants/sample_tenant/databases/sample_db/collections/$id" 1020 4.4
}

# --- Neo4j ------------------------------------------------------------------------------------------------------------

# shellcheck source=scripts/cypher.sh
source "$(dirname "${BASH_SOURCE[0]}")/cypher.sh"

seed_neo4j() {
  {
    cat <<'CYPHER'
MATCH (n:Sample) DETACH DELETE n;
DROP CONSTRAINT sample_user_id IF EXISTS;
DROP CONSTRAINT sample_topic_name IF EXISTS;
DROP CONSTRAINT sample_place_name IF EXISTS;
DROP INDEX sample_user_name IF EXISTS;
DROP INDEX sample_user_bio IF EXISTS;
DROP INDEX sample_fulltext IF EXISTS;
DROP INDEX sample_knows_since IF EXISTS;
DROP INDEX sample_place_where IF EXISTS;
DROP INDEX sample_said_text IF EXISTS;
DROP INDEX sample_added IF EXISTS;
CREATE CONSTRAINT sample_user_id FOR (u:User) REQUIRE u.id IS UNIQUE;
CREATE CONSTRAINT sample_topic_name FOR (t:Topic) REQUIRE t.name IS UNIQUE;
CREATE INDEX sample_user_name FOR (u:User) ON (u.name, u.born);
CREATE TEXT INDEX sample_user_bio FOR (u:User) ON (u.bio);
CREATE FULLTEXT INDEX sample_fulltext FOR (n:User|Topic) ON EACH [n.bio, n.name];
CREATE INDEX sample_knows_since FOR ()-[k:KNOWS]-() ON (k.since);
CREATE POINT INDEX sample_place_where FOR (p:Place) ON (p.where);
CALL db.awaitIndexes(120);
UNWIND range(1, 1500) AS i
CREATE (u:Sample:User {id: i, name: 'Nutzer ' + i, bio: 'likes ünïcödé 日本語 🎉 and number ' + i + ', "quotes" \\ too',
  score: i / 7.0, active: i % 2 = 0, born: date('1970-01-01') + duration({days: i}), tags: ['a', 'b' + i, ''],
  numbers: [i, -i, 9223372036854775807], ratios: [0.1, i / 3.0], flags: [true, false],
  seen: datetime('2024-01-01T00:00:00.123456789+02:00') + duration({minutes: i}),
  local: localdatetime('2024-03-31T02:30:00'), at: localtime('12:34:56.789'), zoned: time('12:34:56+05:45'),
  every: duration({months: i, days: -1, seconds: i, nanoseconds: 5}), where: point({x: i, y: -i / 2.0})})
FOREACH (x IN CASE WHEN i % 100 = 0 THEN [1] ELSE [] END | SET u:Admin);
UNWIND range(1, 60) AS i CREATE (:Sample:Topic {name: 'topic ' + i, weight: 1.0 / i, text: 'line one\nline two\ttab \'single\' "double"'});
UNWIND range(1, 40) AS i CREATE (:Sample:Place {name: 'place ' + i, where: point({longitude: 13.0 + i / 100.0, latitude: 52.0 - i / 100.0}), solid: point({x: 1, y: 2, z: i}),
  zone: datetime('2024-07-01T10:00:00[Europe/Berlin]')});
CREATE (:Sample), (:Sample:`Odd "Label" ``ticks``` {`odd "property"`: 'x', long: 'start ' + reduce(s = '', i IN range(1, 2000) | s + 'wörd ')});
CREATE (:Sample:Special {nan: 0.0 / 0.0, inf: 1.0 / 0.0, tiny: 4.9e-324, min: -9223372036854775807 - 1, empty: [], zero: -0.0});
MATCH (a:User) WITH a UNWIND [1, 7, 31] AS step MATCH (b:User {id: 1 + (a.id + step) % 1500})
CREATE (a)-[:KNOWS {since: date('2020-01-01') + duration({days: a.id}), closeness: step / 31.0, note: 'kennt ' + b.name}]->(b);
MATCH (a:User), (t:Topic {name: 'topic ' + (1 + a.id % 60)}) CREATE (a)-[:LIKES {at: datetime('2024-05-01T00:00:00Z') + duration({hours: a.id}), tags: ['x', 'y']}]->(t);
MATCH (a:User) WHERE a.id % 3 = 0 MATCH (p:Place {name: 'place ' + (1 + a.id % 40)}) CREATE (a)-[:LIVES_IN]->(p), (a)-[:LIVES_IN]->(p);
MATCH (a:User {id: 5}) CREATE (a)-[:`ODD "type"` {self: true}]->(a);
:use system
CREATE OR REPLACE USER sample_reader SET PASSWORD 'sample-password-1' CHANGE NOT REQUIRED;
CREATE OR REPLACE USER sample_leaver SET PASSWORD 'sample-password-2' CHANGE REQUIRED;
DROP USER sample_newcomer IF EXISTS;
CYPHER
  } | cypher "$1" >/dev/null
}

# ----------------------------------------------------------------------------------------------------------------------

(($#)) || set -- postgresql redis chromadb neo4j
for store in "$@"; do
  case $store in postgresql) service=postgres ;; redis | chromadb | neo4j) service=$store ;; *) die "no such store: $store" ;; esac
  id=$(running "$service")
  if [[ -z $id ]]; then say "$store: not running, skipped"; continue; fi
  begin=$SECONDS
  "seed_$store" "$id"
  say "$store: done in $((SECONDS - begin)) s"
done
