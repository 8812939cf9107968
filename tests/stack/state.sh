#!/bin/bash
# state.sh DIR [STORE...] - write the whole content of the running stores, in canonical text, for comparing.
#
# Usage:  COMPOSE_PROJECT_NAME=whisperengine tests/stack/state.sh DIR [postgresql] [redis] [chromadb] [neo4j]
#
# Writes DIR/postgresql.txt, redis.txt, chromadb.txt and neo4j.txt. Two runs on unchanged data give identical bytes and
# any difference in content shows; compare.sh tells what differs. A store that is not running gets no file and a message;
# one that is there and cannot be read (a paused one as well) makes the script fail.
# CHROMA_TENANTS (default "default_tenant sample_tenant"): ChromaDB cannot list its tenants.
#
# What is left out, because it is not content:
#   PostgreSQL  object ids, transaction ids, statistics, row positions other than the order in which pg_dump finds rows
#   Redis       encodings and, for sets and hashes, the order of members: it depends on a seed that each process draws
#               anew, so DUMP payloads of equal keys differ after a restart; consumers' times of last activity, which a
#               replay of the append-only file sets anew; users (they are not part of the data)
#   Neo4j       password hashes (not readable), usage statistics of indexes
# Integers beyond 2^53 in ChromaDB metadata are compared as floating point numbers.
set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C

project=${COMPOSE_PROJECT_NAME:-whisperengine}
say() { printf 'state: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

present() { # SERVICE: prints the id of its running (or paused) container, or nothing
  local ids
  ids=$(docker ps --quiet --no-trunc --filter status=running --filter status=paused \
    --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$1")
  printf '%s' "${ids%%$'\n'*}"
}

# --- PostgreSQL -------------------------------------------------------------------------------------------------------

pg() { # CONTAINER DATABASE PROGRAM ARGUMENT...   (the name goes through the environment, where nothing in it is special)
  # shellcheck disable=SC2016
  docker exec -e "PGDATABASE=$2" "$1" sh -c '
    export PGUSER="${POSTGRES_USER:-postgres}" PGPASSWORD="${POSTGRES_PASSWORD:-}"; exec "$@"' sh "${@:3}"
}

state_postgresql() {
  local c=$1 db fixed=() databases=()
  # pg_dump of late minor versions writes a random key; the same versions let us choose it.
  if pg "$c" postgres pg_dump --help | grep -e '--restrict-key' >/dev/null; then fixed=(--restrict-key=state); fi
  echo '=== databases'
  pg "$c" postgres psql -XAtq -v ON_ERROR_STOP=1 -c "
    SELECT to_jsonb(d) - '{oid,datdba,datacl,dattablespace,datfrozenxid,datminmxid,datlastsysoid,datcollversion,dathasloginevt}'::text[]
      || jsonb_build_object('owner', pg_get_userbyid(datdba), 'encoding', pg_encoding_to_char(encoding),
        'comment', shobj_description(d.oid, 'pg_database'),
        'tablespace', (SELECT spcname FROM pg_tablespace t WHERE t.oid = dattablespace),
        'acl', (SELECT jsonb_agg(a::text ORDER BY a::text COLLATE \"C\") FROM unnest(coalesce(datacl, acldefault('d', datdba))) a))
    FROM pg_database d ORDER BY datname COLLATE \"C\""
  echo '=== settings of databases and roles'
  pg "$c" postgres psql -XAtq -v ON_ERROR_STOP=1 -c "
    SELECT jsonb_build_array(datname, rolname, setconfig) FROM pg_db_role_setting s
    LEFT JOIN pg_database d ON d.oid = setdatabase LEFT JOIN pg_roles r ON r.oid = setrole
    ORDER BY datname COLLATE \"C\" NULLS FIRST, rolname COLLATE \"C\" NULLS FIRST"
  echo '=== globals'
  pg "$c" postgres pg_dumpall --globals-only "${fixed[@]}"
  pg "$c" postgres psql -XAtq -v ON_ERROR_STOP=1 --record-separator-zero -c "
    SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname COLLATE \"C\"" >"$work/databases"
  mapfile -d '' databases <"$work/databases"
  for db in "${databases[@]}"; do
    printf '=== database %s\n' "$db"
    pg "$c" "$db" pg_dump --create "${fixed[@]}"
  done
}

# --- Redis ------------------------------------------------------------------------------------------------------------

redis() { # CONTAINER ARGUMENT...
  # shellcheck disable=SC2016
  docker exec "$1" sh -c 'if [ -n "${REDIS_PASSWORD:-}" ]; then export REDISCLI_AUTH="$REDIS_PASSWORD"; fi; exec redis-cli "$@"' sh "${@:2}"
}

# Prints one line for each key: its name, type, time of expiry, number of members and a SHA-1 of the content, or the
# content itself when it is short.
# shellcheck disable=SC2016
redis_lua='
local function text(s)
  return (string.gsub(s, "[%c\"\\\127-\255]", function(ch) return string.format("\\x%02x", string.byte(ch)) end))
end
local function digest(list)
  local parts = {}
  for i, s in ipairs(list) do parts[i] = #s .. ":" .. s end
  local all = table.concat(parts, " ")
  if #all <= 160 then return text(all) end
  return redis.sha1hex(all)
end
local function hex(s)
  return (string.gsub(s, ".", function(ch) return string.format("%02x", string.byte(ch)) end))
end
local function flat(v)
  if type(v) ~= "table" then return tostring(v) end
  local parts = {}
  for i = 1, #v do local s = flat(v[i]); parts[i] = #s .. ":" .. s end
  return "[" .. table.concat(parts, ",") .. "]"
end
local function map(v, skip, inner)
  local parts = {}
  for i = 1, #v, 2 do
    if not skip[v[i]] then parts[#parts + 1] = v[i] .. "=" .. (inner[v[i]] and inner[v[i]](v[i + 1]) or flat(v[i + 1])) end
  end
  return "{" .. table.concat(parts, ";") .. "}"
end
local function each(f)
  return function(v)
    local parts = {}
    for i = 1, #v do parts[i] = f(v[i]) end
    return "(" .. table.concat(parts, ",") .. ")"
  end
end
local function consumer(v) return map(v, {["seen-time"] = true, ["active-time"] = true}, {}) end
local function group(v) return map(v, {}, {consumers = each(consumer)}) end
local field_ttl = true -- until the server says it knows no such command

redis.call("SELECT", DB)
local lines = {}
for _, key in ipairs(redis.call("KEYS", "*")) do
  local kind = redis.call("TYPE", key).ok
  local expires = redis.pcall("PEXPIRETIME", key)
  if kind ~= "none" then
    if type(expires) == "table" then expires = redis.call("PTTL", key) < 0 and "-1" or "volatile" end
    local count, content = "", ""
    if kind == "string" then
      content = digest({redis.call("GET", key)})
    elseif kind == "list" then
      local all = redis.call("LRANGE", key, 0, -1)
      count, content = #all, digest(all)
    elseif kind == "set" then
      local all = redis.call("SMEMBERS", key)
      for i = 1, #all do all[i] = hex(all[i]) end
      table.sort(all)
      count, content = #all, digest(all)
    elseif kind == "zset" then
      local all = redis.call("ZRANGE", key, 0, -1, "WITHSCORES")
      count, content = #all / 2, digest(all)
    elseif kind == "hash" then
      local all, entries = redis.call("HGETALL", key), {}
      for i = 1, #all, 2 do
        local entry = hex(all[i]) .. "=" .. hex(all[i + 1])
        local ttl = field_ttl and redis.pcall("HPEXPIRETIME", key, "FIELDS", 1, all[i]) or {-1}
        if ttl.err then field_ttl = false elseif ttl[1] ~= -1 then entry = entry .. "@" .. tostring(ttl[1]) end
        entries[#entries + 1] = entry
      end
      table.sort(entries)
      count, content = #entries, digest(entries)
    elseif kind == "stream" then
      count = redis.call("XLEN", key)
      content = digest({map(redis.call("XINFO", "STREAM", key, "FULL", "COUNT", 0),
        {["radix-tree-keys"] = true, ["radix-tree-nodes"] = true}, {groups = each(group)})})
    else
      content = redis.sha1hex(redis.call("DUMP", key))
    end
    lines[#lines + 1] = string.format("db%d \"%s\" %s expires=%s %s %s", DB, text(key), kind, tostring(expires), count, content)
  end
end
lines[#lines + 1] = "db" .. DB .. ": " .. #lines .. " keys"
return table.concat(lines, "\n")'

state_redis() {
  local c=$1 info db databases=()
  info=$(redis "$c" INFO | tr -d '\r')
  if [[ $info != *redis_version:* ]]; then die "redis: $info"; fi
  mapfile -t databases < <(sed -n 's/^db\([0-9]*\):.*/\1/p' <<<"$info" | sort -n)
  for db in "${databases[@]}"; do
    redis "$c" EVAL "${redis_lua//DB/$db}" 0 >"$work/keys"
    # The last line is the script's own count: without it, the answer was an error.
    [[ $(tail -n 1 "$work/keys") == "db$db: "*" keys" ]] || die "redis: database $db: $(head -c 300 "$work/keys")"
    sort "$work/keys"
  done
  if awk -F '[:.]' '$1 == "redis_version" { v = $2 } END { exit v < 7 }' <<<"$info"; then
    echo '=== functions'
    redis "$c" --json FUNCTION LIST WITHCODE >"$work/functions"
    jq -S 'map(.functions |= sort_by(.name) | .functions[].flags |= sort) | sort_by(.library_name)' "$work/functions"
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

http() { # METHOD URL [BODY]: prints the answer; fails unless it is a 2xx
  local arguments=(--silent --show-error --fail-with-body --noproxy '*' --max-time 120 --request "$1")
  if (($# > 2)); then arguments+=(--header 'Content-Type: application/json' --data-binary "$3"); fi
  curl "${arguments[@]}" "$2" || die "chromadb: $1 $2 failed"
}

pages() { # URL: prints the members of the array there, one in a line
  local offset=0 n
  while :; do
    http GET "$1?limit=100&offset=$offset" | jq -cS '.[]' >"$work/page"
    n=$(wc -l <"$work/page")
    cat "$work/page"
    ((n == 100)) || break
    offset=$((offset + n))
  done
}

state_chromadb() {
  local base tenant db collection url id count offset n dimension vector code
  base=$(chroma_url "$1")
  for tenant in ${CHROMA_TENANTS:-default_tenant sample_tenant}; do
    code=$(curl --silent --show-error --noproxy '*' --max-time 120 --output /dev/null --write-out '%{http_code}' "$base/tenants/$tenant") ||
      die "chromadb: no answer"
    case $code in
      200) ;;
      404) continue ;;
      *) die "chromadb: tenant $tenant: HTTP $code" ;;
    esac
    printf '=== tenant %s\n' "$tenant"
    pages "$base/tenants/$tenant/databases" | sort >"$work/dbs"
    while read -r -u 3 db; do
      printf '=== database %s\n' "$db"
      db=$base/tenants/$tenant/databases/$(jq -r '.name | @uri' <<<"$db")
      pages "$db/collections" | jq -cS '[.name, .]' | sort | jq -c '.[1]' >"$work/collections"
      while read -r -u 4 collection; do
        printf '=== collection %s\n' "$collection"
        id=$(jq -r .id <<<"$collection")
        url=$db/collections/$id
        count=$(http GET "$url/count")
        printf 'count %s\n' "$count"
        : >"$work/records"
        for ((offset = 0; ; offset += n)); do
          http POST "$url/get" '{"limit":500,"offset":'"$offset"',"include":["embeddings","documents","metadatas","uris"]}' |
            jq -cS '. as $a | range(.ids | length) as $i | [$a.ids[$i], $a.documents[$i], $a.metadatas[$i], $a.uris[$i], $a.embeddings[$i]]' >"$work/page"
          n=$(wc -l <"$work/page")
          ((n)) || break
          cat "$work/page" >>"$work/records"
        done
        sort -u "$work/records" >"$work/sorted"
        cat "$work/sorted"
        n=$(wc -l <"$work/sorted")
        ((n == count)) || die "chromadb: $id has $count records and gave $n"
        dimension=$(jq -r '.dimension // 0' <<<"$collection")
        if ((dimension)); then
          vector=$(awk -v n="$dimension" 'BEGIN { for (i = 0; i < n; i++) printf "%s%.7f", (i ? "," : ""), sin((1 + i % 17) * 4 + i * 0.1) }')
          printf 'query '
          http POST "$url/query" '{"query_embeddings":[['"$vector"']],"n_results":10,"include":["distances"]}' | jq -c '[.ids, .distances]'
        fi
      done 4<"$work/collections"
    done 3<"$work/dbs"
  done
}

# --- Neo4j ------------------------------------------------------------------------------------------------------------

# shellcheck source=scripts/cypher.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/cypher.sh"

# Ids are those of the records in the store files: a physical restore keeps them.
state_neo4j() {
  echo '=== constraints, indexes, counts, nodes, relationships, users'
  cypher "$1" <<'CYPHER'
SHOW CONSTRAINTS YIELD name, type, entityType, labelsOrTypes, properties, ownedIndex RETURN * ORDER BY name;
SHOW INDEXES YIELD name, type, entityType, labelsOrTypes, properties, state, populationPercent, indexProvider, owningConstraint RETURN * ORDER BY name;
MATCH (n) RETURN count(n) AS nodes;
MATCH ()-->() RETURN count(*) AS relationships;
MATCH (n) CALL { WITH n UNWIND keys(n) AS k WITH n, k ORDER BY k RETURN collect([k, n[k]]) AS properties }
CALL { WITH n UNWIND labels(n) AS l WITH l ORDER BY l RETURN collect(l) AS labels }
RETURN toInteger(split(elementId(n), ':')[2]) AS id, labels, properties ORDER BY id;
MATCH (a)-[r]->(b) CALL { WITH r UNWIND keys(r) AS k WITH r, k ORDER BY k RETURN collect([k, r[k]]) AS properties }
RETURN toInteger(split(elementId(r), ':')[2]) AS id, toInteger(split(elementId(a), ':')[2]) AS from, type(r) AS type,
  toInteger(split(elementId(b), ':')[2]) AS to, properties ORDER BY id;
:use system
SHOW USERS YIELD user, passwordChangeRequired RETURN user, passwordChangeRequired ORDER BY user;
CYPHER
  # Ask the full-text indexes too: they are files of their own beside the store.
  echo '=== full-text indexes'
  cypher "$1" >"$work/fulltext" <<'CYPHER'
SHOW FULLTEXT INDEXES YIELD name, entityType WHERE entityType = 'NODE'
RETURN 'CALL db.index.fulltext.queryNodes(\'' + replace(replace(name, '\\', '\\\\'), '\'', '\\\'') + '\', \'*:*\') YIELD node, score RETURN count(node) AS found, sum(score) AS score;' AS statement ORDER BY name;
CYPHER
  jq -r '.[0]._value' "$work/fulltext" | tee "$work/statements"
  if [[ -s $work/statements ]]; then cypher "$1" <"$work/statements"; fi
}

# ----------------------------------------------------------------------------------------------------------------------

(($#)) || die "usage: state.sh DIR [STORE...]"
dir=$1; shift
(($#)) || set -- postgresql redis chromadb neo4j
mkdir -p "$dir"
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
pids=()
for store in "$@"; do
  case $store in postgresql) service=postgres ;; redis | chromadb | neo4j) service=$store ;; *) die "no such store: $store" ;; esac
  rm -f "$dir/$store.txt"
  id=$(present "$service")
  if [[ -z $id ]]; then say "$store: not running, no file"; continue; fi
  [[ $(docker inspect --format '{{.State.Paused}}' "$id") == false ]] || die "$store: paused"
  work=$top/$store
  mkdir "$work"
  (
    "state_$store" "$id" >"$work/state"
    mv "$work/state" "$dir/$store.txt"
  ) &
  pids+=($!)
done
failed=0
for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
((!failed)) || die "a store could not be read"
