#!/bin/bash
# mutate.sh [STORE...] - change, add and delete data in every running store that scripts/seed.sh has filled.
#
# Usage:  COMPOSE_PROJECT_NAME=whisperengine tests/stack/mutate.sh [postgresql] [redis] [chromadb] [neo4j]
#
# Between a backup and its restore this makes sure that the restore brings back what was changed or deleted and takes
# away what was added. To be run once after each seed.sh (or after a restore of what that made); seed.sh also removes
# everything that is added here.. A store that is not running is skipped.
set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C

project=${COMPOSE_PROJECT_NAME:-whisperengine}
say() { printf 'mutate: %s\n' "$*" >&2; }
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

mutate_postgresql() {
  local c=$1
  sql "$c" shop <<'SQL'
UPDATE customers SET name = 'changed ' || id, doc = doc || '{"changed": true}' WHERE id % 3 = 0;
DELETE FROM customers WHERE id % 10 = 1;
INSERT INTO customers (name, mail) SELECT 'new ' || i, 'new' || i || '@example.org' FROM generate_series(1, 50) i;
UPDATE lines SET line = 'changed' WHERE line = 'line 7';
DELETE FROM lines WHERE line LIKE 'line 1%';
INSERT INTO lines VALUES ('line 2'), ('line 2'), ('added');
TRUNCATE events;
DROP TABLE parent CASCADE;
DROP FUNCTION trap();
CREATE OR REPLACE FUNCTION trap_too() RETURNS void LANGUAGE sql AS 'SELECT NULL::void';
CREATE TABLE added (id serial PRIMARY KEY, v text);
INSERT INTO added (v) SELECT 'v' || i FROM generate_series(1, 300) i;
CREATE SCHEMA added_schema CREATE TABLE inner_table (id integer);
CREATE VIEW added_view AS SELECT * FROM added;
ALTER TABLE orders ADD COLUMN added text DEFAULT 'x';
ALTER TYPE mood ADD VALUE 'new mood';
DROP INDEX orders_big;
SELECT nextval('ticket') FROM generate_series(1, 9);
SELECT lo_unlink(900001);
SELECT lo_put(900002, 100, '\x0102030405');
SELECT lo_from_bytea(900009, '\xabcdef');
REVOKE ALL ON customers FROM sample_writer CASCADE;
REFRESH MATERIALIZED VIEW totals;
ALTER DATABASE shop SET work_mem = '19MB';
ALTER DATABASE shop RESET "DateStyle";
ALTER DATABASE shop CONNECTION LIMIT 33;
COMMENT ON DATABASE shop IS 'changed';
SQL
  sql "$c" sample_latin1 <<'SQL'
UPDATE names SET name = 'geändert ' || id WHERE id < 50;
SQL
  sql "$c" '' <<'SQL'
UPDATE sample.users SET profile = profile || '{"changed": 1}' WHERE id <= 300;
DELETE FROM sample.messages WHERE user_id % 4 = 0;
DELETE FROM sample.notes WHERE ctid IN (SELECT ctid FROM sample.notes LIMIT 5);
INSERT INTO sample.notes VALUES ('another note');
INSERT INTO sample.empty_one VALUES (1);
DROP VIEW sample.recent;
CREATE SCHEMA sample_new;
CREATE TABLE sample_new.things AS SELECT i AS id, md5(i::text) AS v FROM generate_series(1, 500) i;
SELECT lo_unlink(900004);
SELECT lo_from_bytea(900005, '\x00');
ALTER DATABASE :"DBNAME" SET maintenance_work_mem = '55MB';
SQL
  sql "$c" template1 <<'SQL'
UPDATE sample_site.defaults SET value = 'red' WHERE name = 'colour';
INSERT INTO sample_site.defaults VALUES ('added', 'x');
SQL
  sql "$c" postgres <<'SQL'
DELETE FROM sample_maintenance.jobs WHERE id > 20;
CREATE TABLE sample_maintenance.added (id integer);
DROP DATABASE "My ""odd"" D'b" WITH (FORCE);
CREATE ROLE sample_newcomer LOGIN PASSWORD 'new' IN ROLE sample_reader;
CREATE DATABASE sample_added OWNER sample_newcomer;
ALTER ROLE sample_writer PASSWORD 'changed' CONNECTION LIMIT 3;
ALTER ROLE sample_writer SET statement_timeout = '1s';
ALTER ROLE sample_expired RENAME TO sample_renamed;
REVOKE sample_group FROM sample_admin;
GRANT sample_admin TO sample_legacy;
ALTER ROLE CURRENT_USER SET statement_timeout = '7min';
SELECT datname AS added FROM pg_database WHERE datname = 'sample_added' \gset
\connect :added
CREATE TABLE things (id integer);
INSERT INTO things SELECT generate_series(1, 100);
ALTER TABLE things OWNER TO sample_newcomer;
SQL
  # A role that is gone for good: what it was given goes first.
  for db in shop '' postgres; do
    sql "$c" "$db" <<<'DROP OWNED BY sample_leaver CASCADE;'
  done
  sql "$c" postgres <<<'DROP ROLE sample_leaver;'
}

# --- Redis ------------------------------------------------------------------------------------------------------------

redis() { # CONTAINER ARGUMENT...
  # shellcheck disable=SC2016
  docker exec -i "$1" sh -c 'if [ -n "${REDIS_PASSWORD:-}" ]; then export REDISCLI_AUTH="$REDIS_PASSWORD"; fi; exec redis-cli "$@"' sh "${@:2}"
}

mutate_redis() {
  local c=$1 answer
  answer=$(redis "$c" EVAL '
redis.call("SELECT", 0)
redis.call("SET", "sample:text", "changed")
redis.call("SET", "sample:added", "new")
redis.call("DEL", "sample:binary", "sample:list:large", "sample:hll:few", "")
for i = 1, 300 do redis.call("DEL", "sample:session:" .. i) end
for i = 301, 600 do redis.call("SET", "sample:session:" .. i, "changed") end
redis.call("EXPIRE", "sample:far", 100000)
redis.call("PERSIST", "sample:hash:large")
redis.call("EXPIRE", "sample:set:large", 500000)
redis.call("RPUSH", "sample:list:small", "one more")
redis.call("SREM", "sample:set:large", "member 1", "member 2")
redis.call("ZINCRBY", "sample:zset:large", 0.5, "member 3")
redis.call("HDEL", "sample:hash:large", "field 10")
redis.call("HSET", "sample:hash:small", "field", "changed")
redis.call("SETBIT", "sample:bitmap", 8, 1)
redis.call("RENAME", "sample:geo", "sample:geo:renamed")
redis.call("SELECT", 1)
redis.call("XADD", "sample:stream", "1800000000000-0", "user", "new")
redis.call("XACK", "sample:stream", "workers", "1700000000040-1")
redis.call("XGROUP", "DESTROY", "sample:stream", "idle")
redis.call("DEL", "sample:profile:1")
redis.call("SELECT", 3)
for i = 1, 500 do redis.call("DEL", "sample:cache:" .. i) end
redis.call("SELECT", 7)
for i = 1, 100 do redis.call("SET", "sample:new:" .. i, i) end
redis.call("SELECT", 15)
for i = 0, 4 do redis.call("DEL", "sample:queue:" .. i) end
return redis.status_reply("OK")' 0 </dev/null)
  [[ $answer == OK ]] || die "redis: $answer"
  if redis "$c" INFO server </dev/null | tr -d '\r' | awk -F '[:.]' '$1 == "redis_version" { v = $2 } END { exit v < 7 }'; then
    answer=$(redis "$c" FUNCTION FLUSH </dev/null)
    [[ $answer == OK ]] || die "redis: $answer"
    answer=$(redis "$c" -x FUNCTION LOAD <<<$'#!lua name=samplenew\nredis.register_function(\'sample_new\', function() return 2 end)')
    [[ $answer == samplenew ]] || die "redis: $answer"
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

vectors() { # FROM COUNT SEED: prints the body of a request that adds (or updates) that many records
  awk -v from="$1" -v count="$2" -v seed="$3" 'BEGIN {
    last = from + count - 1
    printf "{\"ids\":["
    for (i = from; i <= last; i++) printf "%s\"record-%05d\"", (i > from ? "," : ""), i
    printf "],\"embeddings\":["
    for (i = from; i <= last; i++) {
      printf "%s[", (i > from ? "," : "")
      for (j = 0; j < 384; j++) printf "%s%.7f", (j ? "," : ""), cos((i * 0.0171 + seed) * (1 + j % 19) + j * 0.1)
      printf "]"
    }
    printf "],\"documents\":["
    for (i = from; i <= last; i++) printf "%s\"changed %d\"", (i > from ? "," : ""), i
    printf "],\"metadatas\":["
    for (i = from; i <= last; i++) printf "%s{\"user\":\"changed\",\"n\":%d,\"extra\":true}", (i > from ? "," : ""), -i
    printf "]}\n"
  }'
}

mutate_chromadb() {
  local base id from body
  base=$(chroma_url "$1")
  local home=$base/tenants/default_tenant/databases/default_database
  id=$(http GET "$home/collections/sample_memories" | jq -er .id)
  # 200 deleted, 100 changed, 1200 new: the index files are written anew.
  body=$(jq -cn '{ids: [range(301; 501) | "record-00\(.)"]}')
  http POST "$home/collections/$id/delete" "$body" >/dev/null
  vectors 100 100 7.7 | http POST "$home/collections/$id/update" - >/dev/null
  for ((from = 5001; from <= 6200; from += 200)); do
    vectors "$from" 200 8.8 | http POST "$home/collections/$id/add" - >/dev/null
  done
  id=$(http GET "$home/collections/sample_facts" | jq -er .id)
  http POST "$home/collections/$id/delete" '{"where":{"user":"nutzer-7"}}' >/dev/null
  http PUT "$home/collections/$id" '{"new_metadata":{"purpose":"changed"}}' >/dev/null
  http DELETE "$home/collections/sample_recent" >/dev/null
  id=$(http POST "$home/collections" '{"name":"sample_added","metadata":{"new":true}}' | jq -er .id)
  for ((from = 1; from <= 1200; from += 200)); do
    vectors "$from" 200 9.9 | http POST "$home/collections/$id/add" - >/dev/null
  done
  id=$(http GET "$home/collections/sample_empty" | jq -er .id)
  vectors 1 20 1.5 | http POST "$home/collections/$id/add" - >/dev/null
  id=$(http GET "$base/tenants/sample_tenant/databases/sample_db/collections/sample_tenants_own" | jq -er .id)
  vectors 1 30 2.5 | http POST "$base/tenants/sample_tenant/databases/sample_db/collections/$id/upsert" - >/dev/null
  http DELETE "$base/tenants/default_tenant/databases/sample_db/collections/sample_elsewhere" >/dev/null
  http POST "$base/tenants/default_tenant/databases" '{"name":"sample_new_db"}' >/dev/null
}

# --- Neo4j ------------------------------------------------------------------------------------------------------------

# shellcheck source=scripts/cypher.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/cypher.sh"

mutate_neo4j() {
  cypher "$1" >/dev/null <<'CYPHER'
MATCH (u:User) WHERE u.id % 10 = 4 DETACH DELETE u;
MATCH (u:User) WHERE u.id % 10 = 5 SET u.name = 'changed ' + u.id, u.bio = null, u.score = -1.0, u.added = true;
MATCH (u:User) WHERE u.id % 10 = 6 SET u:Changed REMOVE u:Admin;
MATCH ()-[k:KNOWS]->() WHERE k.closeness = 1.0 DELETE k;
MATCH ()-[l:LIKES]->() SET l.tags = ['changed'];
MATCH (s:Special) REMOVE s.nan, s.inf;
UNWIND range(1, 700) AS i CREATE (:Sample:Added {id: i, text: 'added ' + i});
MATCH (a:Added), (b:Added {id: a.id + 1}) CREATE (a)-[:FOLLOWS {n: a.id}]->(b);
MATCH (u:User) WHERE u.id < 100 AND u.id % 2 = 1 CREATE (u)-[:OWNS]->(:Sample:Thing {of: u.id});
DROP INDEX sample_user_bio;
DROP CONSTRAINT sample_topic_name;
CREATE INDEX sample_added FOR (a:Added) ON (a.id);
CREATE CONSTRAINT sample_place_name FOR (p:Place) REQUIRE p.name IS UNIQUE;
CREATE FULLTEXT INDEX sample_said_text FOR (a:Added) ON EACH [a.text];
CALL db.awaitIndexes(120);
:use system
DROP USER sample_leaver;
CREATE USER sample_newcomer SET PASSWORD 'sample-password-3' CHANGE NOT REQUIRED;
CYPHER
}

# ----------------------------------------------------------------------------------------------------------------------

(($#)) || set -- postgresql redis chromadb neo4j
for store in "$@"; do
  case $store in postgresql) service=postgres ;; redis | chromadb | neo4j) service=$store ;; *) die "no such store: $store" ;; esac
  id=$(running "$service")
  if [[ -z $id ]]; then say "$store: not running, skipped"; continue; fi
  begin=$SECONDS
  "mutate_$store" "$id"
  say "$store: done in $((SECONDS - begin)) s"
done
