#!/usr/bin/env bash
# How long does a backup of a whole stack take? `whisperbackup create`, store by store and all together, beside the
# commands by hand of WhisperEngine's backup guide, which hold no moment, flush nothing and check nothing. Prints a table
# in Markdown; seconds are of this machine and this moment, so look at the ratios. A stack of its own.
# shellcheck disable=SC2016 # the backticks are Markdown's
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=bench/common.bash
source bench/common.bash

usage() {
	cat <<'TEXT'
Usage: bench/create.sh [--size 512] [--rounds 5]

  --size       MiB of data in each of the four stores: rows, values, vectors, records and text
  --rounds     of each; medians are shown
TEXT
}

size=512
rounds=5
read_options 'size rounds' "$@"
# shellcheck source=bench/stack.bash
source bench/stack.bash
ninja -C build-release --quiet bench-folder

by_hand_postgresql() { docker exec "$(container postgres)" pg_dumpall -U "${POSTGRES_USER:-whisperengine}"; }
by_hand_redis() {
	docker exec "$(container redis)" redis-cli BGSAVE >/dev/null
	# The guide does not wait; a copy of the file before would be worth nothing.
	while [[ $(docker exec "$(container redis)" redis-cli INFO persistence) == *rdb_bgsave_in_progress:1* ]]; do sleep 0.05; done
	docker exec "$(container redis)" cat /data/dump.rdb
}
by_hand_chromadb() { docker exec "$(container chromadb)" tar czf - /chroma/chroma; }
by_hand_neo4j() { docker exec "$(container neo4j)" tar czf - /data; }
by_hand_all() { for one in "${stores[@]}"; do "by_hand_$one"; done; }

by_hand() { # STORE
	"by_hand_$1" >"$scratch/by-hand" 2>/dev/null
	sync "$scratch/by-hand"
}

ours() { # STORE
	local only=()
	[[ $1 == all ]] || only=(--only "$1")
	"$program" create --quiet "${only[@]}" 2>"$scratch/said" || { cat "$scratch/said" >&2 && exit 1; }
}

stores=(postgresql redis chromadb neo4j)
scripts/stack.sh up >/dev/null 2>&1
fill_postgresql "$size"
fill_redis "$size"
build-release/bench-folder make vectors "$(volume chromadb /chroma/chroma)/ballast" $((size * 3 / 4))
build-release/bench-folder make text "$(volume chromadb /chroma/chroma)/ballast" $((size / 4))
build-release/bench-folder make records "$(volume neo4j /data)/ballast" "$size"

printf 'Measured on: '
machine "$scratch"
printf '%s MiB in each store, median of %s rounds; by hand includes the flush of the file.\n\n' "$size" "$rounds"
printf '| | by hand | `whisperbackup create` | times as fast | size by hand | ours |\n| --- | --- | --- | --- | --- | --- |\n'
for store in "${stores[@]}" all; do
	rm -f "$scratch"/took-*
	for ((round = 1; round <= rounds; round++)); do
		rm -rf "$BACKUP_DIR"
		for how in by_hand ours; do
			sync
			began=$(now)
			"$how" "$store"
			milliseconds_since "$began" >>"$scratch/took-$how"
		done
	done
	row=("$(median <"$scratch/took-by_hand")" "$(median <"$scratch/took-ours")")
	printf '| %s | %.2f s | %.2f s | %s | %s MiB | %s MiB |\n' "$store" "$(calculate %f "${row[0]} / 1000")" \
		"$(calculate %f "${row[1]} / 1000")" "$(calculate %.1f "${row[0]} / ${row[1]}")" \
		"$(calculate %.0f "$(stat -c %s "$scratch/by-hand") / 1048576")" \
		"$(calculate %.0f "$(du -sb "$BACKUP_DIR" | cut -f 1) / 1048576")"
done
