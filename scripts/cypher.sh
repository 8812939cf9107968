# shellcheck shell=bash
# Runs Cypher statements over Neo4j's HTTP interface (the Query API, which Neo4j has switched on since 5.25), for sample data and tests.
# cypher-shell in the container would do as well, with a Java machine of its own each time, which takes seconds. Sourced.

cypher_die() {
  printf 'cypher: %s\n' "$*" >&2
  return 1
}

# Runs the statements on standard input, each of which ends with a semicolon at the end of a line; ":use NAME" alone on a line
# leads to another database. Prints a JSON array for each row, whose values carry their types. The first error ends it.
cypher() { # CONTAINER
  local at auth login=() statement='' database=neo4j line answer
  at=$(docker port "$1" 7474/tcp | head -n 1)
  [[ -n $at ]] || cypher_die 'Neo4j publishes no HTTP port' || return 1
  auth=$(docker inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$1" | sed -n 's/^NEO4J_AUTH=//p')
  auth=${auth%/true}
  [[ $auth != */* ]] || login=(--user "${auth/\//:}")
  while IFS= read -r line || [[ -n $line ]]; do
    if [[ ! $statement =~ [^[:space:]] && $line == ':use '* ]]; then
      database=${line#:use }
      continue
    fi
    statement+=$line$'\n'
    [[ $line == *';' ]] || continue
    answer=$(jq -nc --arg statement "$statement" '{$statement}' |
      curl --silent --show-error --noproxy '*' --max-time 180 "${login[@]}" --header 'Content-Type: application/json' \
        --header 'Accept: application/vnd.neo4j.query' --data-binary @- "http://127.0.0.1:${at##*:}/db/$database/query/v2") ||
      cypher_die "no answer to: $statement" || return 1
    jq -e 'has("data") and (has("errors") | not)' >/dev/null <<<"$answer" ||
      cypher_die "refused: $statement: ${answer:0:1000}" || return 1
    jq -c '.data.values[]' <<<"$answer"
    statement=''
  done
  [[ ! $statement =~ [^[:space:]] ]] || cypher_die "this has no semicolon at its end: $statement"
}
