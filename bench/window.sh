#!/usr/bin/env bash
# How long do services stand still for a backup? Ours, beside "stop, copy, start" of the same stack, against the size of
# the data. Prints a table; numbers are of this machine and this moment, so look at the ratios. A stack of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
	cat <<'TEXT'
Usage: bench/window.sh [--sizes "1 2 4 8"] [--changes "0 0.1 1"] [--rounds 5] [--tar yes]

  --sizes      GiB of data in the volumes of ChromaDB and Neo4j together
  --changes    percent of it that is written anew while a backup is made
  --rounds     backups for each size and change, of which the median is shown
  --tar        "no" leaves out "stop, tar czf, start", which takes half a minute for each GiB
TEXT
}

sizes='1 2 4 8'
changes='0 0.1 1'
rounds=5
tar=yes
# shellcheck source=bench/common.bash
source bench/common.bash
read_options 'sizes changes rounds tar' "$@"
# shellcheck source=bench/stack.bash
source bench/stack.bash
writer=whisperbackup-bench-writer
at_end() { docker rm -f "$writer" >/dev/null 2>&1 || true; }

# Six tenths of the data beside Chroma's files, four tenths beside Neo4j's, in files as large as theirs become; one file
# in each is the one that is written to.
fill() { # GIB
	local i folder
	rm -rf "$chroma/ballast" "$neo4j/ballast"
	for folder in "$chroma/ballast" "$neo4j/ballast"; do
		mkdir "$folder"
		random_bytes "hot $folder" $((128 << 20)) >"$folder/hot"
	done
	for ((i = 0; i < $1 * 6 - 2; i++)); do random_bytes "chroma $i" $((102 << 20)) >"$chroma/ballast/$i"; done
	for ((i = 0; i < $1 * 4 - 1; i++)); do random_bytes "neo4j $i" $((102 << 20)) >"$neo4j/ballast/$i"; done
	sync
}

# Writes so many of the 1 MiB blocks of the two files anew within about the time that a backup takes to copy everything,
# over and over, from a container of the project: it is paused in the moment, as a bot would be.
start_writer() { # BLOCKS SECONDS
	local pause
	pause=$(awk "BEGIN { print $2 / $1 }")
	docker run -d --name "$writer" --network none --label "com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
		--label com.docker.compose.service=writer --label com.docker.compose.oneoff=False \
		--label com.docker.compose.container-number=1 --volumes-from "$(container chromadb)" -v "$neo4j:/neo4j" \
		--entrypoint bash "$(docker inspect --format '{{.Image}}' "$(container chromadb)")" -c '
			for ((i = 0; ; i++)); do
				for file in /chroma/chroma/ballast/hot /neo4j/ballast/hot; do
					head -c 4096 /dev/urandom | dd of=$file bs=4096 seek=$((i * 37 % 128 * 256)) conv=notrunc status=none
				done
				sleep '"$pause"'
			done' >/dev/null
}

stop_and_start() { # COMMAND..: milliseconds that the two services are down, without their own start-up
	local began
	began=$(now)
	docker kill --signal INT "$(container chromadb)" >/dev/null
	docker stop --time 120 "$(container chromadb)" "$(container neo4j)" >/dev/null
	"$@"
	docker start "$(container chromadb)" "$(container neo4j)" >/dev/null
	milliseconds_since "$began"
	rm -rf "$scratch/copy" "$scratch/copy.tar.gz"
	scripts/stack.sh up >/dev/null 2>&1
}
copy_tar() { tar czf "$scratch/copy.tar.gz" -C "$chroma" . -C "$neo4j" .; }
copy_files() { cp -a "$chroma" "$scratch/copy" && cp -a "$neo4j" "$scratch/copy/"; }

scripts/stack.sh up >/dev/null 2>&1
chroma=$(volume chromadb /chroma/chroma)
neo4j=$(volume neo4j /data)
printf 'Measured on: '
machine "$scratch"
printf '| GiB | changed | window | longest | of it: ask | capture | pause, thaw | kept in it | whole backup | stop, cp, start | stop, tar, start |\n'
printf '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n'
for size in $sizes; do
	fill "$size"
	cp_time=$(stop_and_start copy_files)
	tar_time=-
	[[ $tar == no ]] || tar_time=$(stop_and_start copy_tar)
	seconds=$((size * 2 + 1))
	for change in $changes; do
		# Half of the blocks in each of the two files.
		blocks=$(awk "BEGIN { print $size * 1024 * $change / 100 / 2 }")
		[[ $change == 0 ]] || start_writer "$blocks" "$seconds"
		rm -f "$scratch"/round-*
		for ((round = 1; round <= rounds; round++)); do
			rm -rf "$BACKUP_DIR"
			"$program" create --quiet 2>"$scratch/said" || { cat "$scratch/said" >&2 && exit 1; }
			cat "$BACKUP_DIR"/whisperengine_backup_*/manifest.json >"$scratch/round-$round"
		done
		docker rm -f "$writer" >/dev/null 2>&1 || true
		seconds_of() { printf '((.%s[0:19] + "Z" | fromdate) + (.%s[19:23] | tonumber))' "$1" "$1"; }
		value() { jq -s -r ".[] | $1" "$scratch"/round-* | median; }
		longest=$(jq -s '[.[].window_milliseconds] | max' "$scratch"/round-*)
		printf '| %s | %s %% | %.0f ms | %.0f ms | %.0f | %.0f | %.0f | %.1f MiB | %.1f s | %s ms (%.0f x) | %s ms (%s x) |\n' "$size" "$change" \
			"$(value .window_milliseconds)" "$longest" "$(value .window_steps.ask)" "$(value .window_steps.capture)" \
			"$(value '.window_steps | .pause_writers + .rest + .pause + .thaw')" \
			"$(value '([.stores[].window_bytes // 0] | add) / 1048576')" \
			"$(value "$(seconds_of finished) - $(seconds_of started)")" \
			"$cp_time" "$(awk "BEGIN { print $cp_time / $(value .window_milliseconds) }")" \
			"$tar_time" "$(awk -v time="$tar_time" "BEGIN { if (time == \"-\") print time; else printf \"%.0f\", time / $(value .window_milliseconds) }")"
	done
done
