#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# Memory does not grow with the data: a file of 64 GiB, nearly all of it a hole, and 200,000 files beside it, while the other
# stores have enough that all are completed side by side. It is the program as people have it that is measured: the
# sanitizers' own memory would hide it. Nor does it with what somebody has made to hurt: an archive of a million files.

load helpers

most=$((64 << 10)) # KiB that it may have resident
files=200000
megabytes=256 # in each of the others, and here
hostile_files=1000000
hostile=20240902_000000
holes=$((64 << 30))

setup_file() {
	stack_up
	seed chromadb
	local folder
	ninja -C build --quiet measure hostile
	folder=$(volume)
	mkdir "$folder/ballast"
	truncate -s $holes "$folder/ballast/holes"
	printf 'last' | dd of="$folder/ballast/holes" bs=4 seek=$((holes / 4 - 1)) conv=notrunc status=none
	# Empty, since many a disk takes long to be told of each block that is free again.
	(cd "$folder/ballast" && seq $files | xargs touch)
	echo first >"$folder/ballast/1"
	dd if=/dev/urandom of="$folder/ballast/noise" bs=1M count=$megabytes status=none
	docker exec "$(container neo4j)" dd if=/dev/urandom of=/data/ballast bs=1M count=$megabytes status=none
	psql_run postgres -c "CREATE TABLE ballast AS SELECT repeat(md5(n::text), 32) FROM generate_series(1, 1024 * $megabytes) n"
	WHISPERBACKUP=$PWD/build/whisperbackup
	keep_output create measured create create
	keep_output verify measured verify verify
	echo changed >"$folder/ballast/1"
	keep_output restore measured restore restore latest --only chromadb --yes --no-safety-backup
}

teardown_file() {
	rm -rf "$(volume)/ballast"
	docker exec "$(container neo4j)" rm -f /data/ballast
	psql_run postgres -c 'DROP TABLE IF EXISTS ballast'
}

volume() { # on this machine
	docker inspect --format '{{range .Mounts}}{{if eq .Destination "/chroma/chroma"}}{{.Source}}{{end}}{{end}}' "$(container chromadb)"
}

measured() { # NAME ARGUMENT..
	build/measure "$BATS_FILE_TMPDIR/$1.measured" "$WHISPERBACKUP" "${@:2}"
}

assert_modest() { # NAME
	local memory
	assert_equal "$(kept "$1.status")" 0
	memory=$(cut -d ' ' -f 3 "$BATS_FILE_TMPDIR/$1.measured")
	echo "# $1: $((memory / 1024)) MiB" >&3
	((memory <= most)) || fail "$1 had $((memory / 1024)) MiB of memory, not $((most / 1024)) at the most"
}

@test "create has 64 MiB of memory at the most" {
	assert_modest create
}

@test "verify has 64 MiB of memory at the most" {
	assert_modest verify
}

@test "restore has 64 MiB of memory at the most" {
	assert_modest restore
}

@test "verify has 64 MiB of memory at the most for an archive of a million files" {
	build/hostile entries $hostile_files "$(legacy_backup $hostile)/chromadb_backup.tar.gz"
	WHISPERBACKUP=$PWD/build/whisperbackup
	keep_output hostile measured hostile verify $hostile
	assert_modest hostile
}

@test "every file came back, and the hole is a hole" {
	local folder
	folder=$(volume)/ballast
	assert_equal "$(find "$folder" -type f | wc -l)" $((files + 2))
	assert_equal "$(cat "$folder/1")" first
	assert_equal "$(stat -c %s "$folder/holes")" $holes
	assert_equal "$(tail -c 4 "$folder/holes")" last
	(($(stat -c '%b * %B' "$folder/holes") <= 1 << 20)) || fail "the hole takes $(du -h "$folder/holes") of the disk"
}
