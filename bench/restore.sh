#!/usr/bin/env bash
# How long is each service down for a restore? Beside its own stop and start, against the size of the data. Prints a table;
# numbers are of this machine and this moment, so look at the ratios. A stack of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
	cat <<'TEXT'
Usage: bench/restore.sh [--sizes "0.1 1 4"] [--rounds 3]

  --sizes      GiB of data in each of the four stores
  --rounds     restores for each size, of which the median is shown
TEXT
}

sizes='0.1 1 4'
rounds=3
# shellcheck source=bench/common.bash
source bench/common.bash
read_options 'sizes rounds' "$@"
# shellcheck source=bench/stack.bash
source bench/stack.bash

fill() { # MIB: in each store
	local folder i
	for folder in "$chroma/ballast" "$neo4j/ballast"; do
		rm -rf "$folder"
		mkdir "$folder"
		for ((i = 0; i < $1; i += 128)); do
			random_bytes "$folder $i" $((($1 - i < 128 ? $1 - i : 128) << 20)) >"$folder/$i"
		done
	done
	fill_postgresql "$1"
	fill_redis "$1"
	sync
}

# Its own stop and start, until it answers a real request, as in a restore.
restart() { # SERVICE STORE: milliseconds
	local began
	began=$(now)
	[[ $1 != chromadb ]] || docker kill --signal INT "$(container "$1")" >/dev/null
	docker stop --time 120 "$(container "$1")" >/dev/null
	docker start "$(container "$1")" >/dev/null
	until "$program" health --only "$2" >/dev/null 2>&1; do
		sleep 0.1
	done
	milliseconds_since "$began"
}

scripts/stack.sh up >/dev/null 2>&1
chroma=$(volume chromadb /chroma/chroma)
neo4j=$(volume neo4j /data)
printf 'Measured on: '
machine "$scratch"
printf '| GiB each | store | down | its own stop and start | ratio | whole restore |\n| --- | --- | --- | --- | --- | --- |\n'
for size in $sizes; do
	fill "$(awk "BEGIN { printf \"%d\", $size * 1024 }")"
	rm -rf "$BACKUP_DIR" "$scratch"/round-* "$scratch"/total-*
	"$program" create --quiet 2>"$scratch/said" || { cat "$scratch/said" >&2 && exit 1; }
	for ((round = 1; round <= rounds; round++)); do
		began=$(now)
		"$program" restore latest --yes --quiet --no-safety-backup --json >"$scratch/round-$round" 2>"$scratch/said" ||
			{ cat "$scratch/said" >&2 && exit 1; }
		echo $(($(milliseconds_since "$began") / 100)) >"$scratch/total-$round"
	done
	total=$(cat "$scratch"/total-* | median)
	for pair in postgres:postgresql redis:redis chromadb:chromadb neo4j:neo4j; do
		store=${pair#*:}
		for ((round = 1; round <= rounds; round++)); do restart "${pair%:*}" "$store"; done >"$scratch/restarts"
		own=$(median <"$scratch/restarts")
		down=$(jq -s -r ".[].stores[] | select(.name == \"$store\") | .swap_seconds * 1000" "$scratch"/round-* | median)
		printf '| %s | %s | %.0f ms | %.0f ms | %.2f | %s s |\n' "$size" "$store" "$down" "$own" \
			"$(awk "BEGIN { print $down / $own }")" "$(awk "BEGIN { print $total / 10 }")"
	done
done
