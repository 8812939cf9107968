#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# Damaged backups and unwanted restores: refused before anything is touched. The live data stays what it was, no service is
# restarted, and nothing is left in the volumes.

load helpers

good=20240901_000000
bad=20240902_000000

setup_file() {
	stack_up
	seed postgresql redis chromadb
	quietly "$WHISPERBACKUP" create
	mv "$(backup_path)" "$(backup_path $good)"
	live_fingerprint >"$BATS_FILE_TMPDIR/fingerprint"
}

teardown() {
	[[ $COMPOSE_PROJECT_NAME != *small-test* ]] || remove_small_chromadb
	rm -rf "$(backup_path $bad)"
}

assert_untouched() {
	assert_fingerprint "$BATS_FILE_TMPDIR/fingerprint"
	assert_nothing_partial
}

# The bad backup is refused as damaged, in words that name the file and hold PART; and nothing is touched.
refused() { # STORE PART [ARGUMENT..]
	program 5 restore $bad --only "$1" --yes --no-safety-backup "${@:3}"
	assert_contains "$errors" "$2"
	assert_contains "$errors" 'nothing was changed'
	assert_untouched
}

truncated() { # STORE
	local folder file
	folder=$(copy_backup $good $bad)
	file=$folder/$(artefact_of "$1")
	truncate --size "$(($(stat -c %s "$file") / 2))" "$file"
	refused "$1" "$(artefact_of "$1")"
}

edited() { # STORE
	local folder file
	folder=$(copy_backup $good $bad)
	file=$folder/$(artefact_of "$1")
	flip_bit "$file" "$(($(stat -c %s "$file") / 2))"
	refused "$1" "$(artefact_of "$1")"
}

# --- backups of ours --------------------------------------------------------------------------------------------------

@test "a truncated PostgreSQL dump is refused" {
	truncated postgresql
}

@test "a truncated Redis dump is refused" {
	truncated redis
}

@test "a truncated ChromaDB archive is refused" {
	truncated chromadb
}

@test "a truncated Neo4j archive is refused" {
	truncated neo4j
}

@test "a PostgreSQL dump with one flipped bit is refused" {
	edited postgresql
}

@test "a Redis dump with one flipped bit is refused" {
	edited redis
}

@test "a ChromaDB archive with one flipped bit is refused" {
	edited chromadb
}

@test "a Neo4j archive with one flipped bit is refused" {
	edited neo4j
}

@test "a backup that lacks a file is refused" {
	local folder
	folder=$(copy_backup $good $bad)
	rm "$folder/redis_backup.rdb"
	refused redis 'redis_backup.rdb is missing'
	refused postgresql,redis 'redis_backup.rdb is missing'
}

@test "the good stores of a backup are not restored when another one is damaged" {
	local folder
	folder=$(copy_backup $good $bad)
	flip_bit "$folder/neo4j_backup.tar.gz" 1000
	program 5 restore $bad --yes --no-safety-backup
	assert_contains "$errors" 'neo4j_backup.tar.gz'
	assert_untouched
}

# --- backups without checksums ---------------------------------------------------------------------------------------

@test "a legacy dump cut inside COPY is refused" {
	local folder line
	folder=$(legacy_backup $bad)
	line=$(grep -n '^COPY public.customers ' "$(backup_path $good)/postgresql_backup.sql" | cut -d : -f 1)
	head -n $((line + 10)) "$(backup_path $good)/postgresql_backup.sql" >"$folder/postgresql_backup.sql"
	refused postgresql 'postgresql_backup.sql is damaged'
}

@test "a legacy dump cut between two statements is refused" {
	local folder line
	folder=$(legacy_backup $bad)
	line=$(grep -n '^CREATE TABLE public.customers ' "$(backup_path $good)/postgresql_backup.sql" | cut -d : -f 1)
	head -n $((line - 1)) "$(backup_path $good)/postgresql_backup.sql" >"$folder/postgresql_backup.sql"
	refused postgresql 'postgresql_backup.sql is damaged'
}

@test "a legacy dump that lacks only its closing line is refused" {
	local folder
	folder=$(legacy_backup $bad)
	sed '/PostgreSQL database cluster dump complete/d' "$(backup_path $good)/postgresql_backup.sql" >"$folder/postgresql_backup.sql"
	refused postgresql 'postgresql_backup.sql is damaged'
}

@test "a dump of one database is no backup of the server, and refused" {
	local folder
	folder=$(legacy_backup $bad)
	docker exec "$(container postgres)" pg_dump -U whisperengine -d shop >"$folder/postgresql_backup.sql"
	refused postgresql 'postgresql_backup.sql is damaged'
}

@test "a dump that a terminal has given other line ends is refused" {
	local folder
	folder=$(legacy_backup $bad)
	sed 's/$/\r/' "$(backup_path $good)/postgresql_backup.sql" >"$folder/postgresql_backup.sql"
	refused postgresql 'postgresql_backup.sql is damaged'
}

@test "an empty legacy dump is refused" {
	local folder
	folder=$(legacy_backup $bad)
	: >"$folder/postgresql_backup.sql"
	refused postgresql 'postgresql_backup.sql is damaged'
}

@test "a cut legacy RDB is refused" {
	local folder
	folder=$(legacy_backup $bad)
	head -c -1 "$(backup_path $good)/redis_backup.rdb" >"$folder/redis_backup.rdb"
	refused redis 'redis_backup.rdb is damaged'
}

@test "a legacy RDB with one flipped bit is refused" {
	local folder
	folder=$(legacy_backup $bad)
	cp "$(backup_path $good)/redis_backup.rdb" "$folder/"
	flip_bit "$folder/redis_backup.rdb" 5000
	refused redis 'redis_backup.rdb is damaged'
}

@test "a legacy RDB with something behind its end is refused" {
	local folder
	folder=$(legacy_backup $bad)
	{
		cat "$(backup_path $good)/redis_backup.rdb"
		head -c 40 /dev/zero | tr '\0' a
	} >"$folder/redis_backup.rdb"
	refused redis 'redis_backup.rdb is damaged'
}

@test "a legacy RDB that is something else is refused" {
	local folder
	folder=$(legacy_backup $bad)
	echo 'the input device is not a TTY' >"$folder/redis_backup.rdb"
	refused redis 'redis_backup.rdb is damaged'
}

@test "a legacy archive cut inside a gzip member is refused" {
	local folder
	folder=$(legacy_backup $bad)
	head -c -1000 "$(backup_path $good)/chromadb_backup.tar.gz" >"$folder/chromadb_backup.tar.gz"
	refused chromadb 'chromadb_backup.tar.gz is damaged'
}

@test "a legacy archive cut between two gzip members is refused, wherever that is" {
	local folder end ends
	mapfile -t ends < <(gzip_member_ends "$(backup_path $good)/chromadb_backup.tar.gz")
	((${#ends[@]} >= 3)) || fail "too few members for this test: ${ends[*]}"
	assert_equal "${ends[-1]}" "$(stat -c %s "$(backup_path $good)/chromadb_backup.tar.gz")"
	folder=$(legacy_backup $bad)
	for end in "${ends[0]}" "${ends[${#ends[@]} / 2]}" "${ends[-2]}"; do
		head -c "$end" "$(backup_path $good)/chromadb_backup.tar.gz" >"$folder/chromadb_backup.tar.gz"
		gunzip --test "$folder/chromadb_backup.tar.gz" # so that it is the end of the tar that is missing
		refused chromadb 'chromadb_backup.tar.gz is damaged'
	done
}

# Of a checksum: in zeros, of which Neo4j's logs are full, one in ten bits may flip and they are the same zeros still.
@test "a legacy archive with one flipped bit is refused" {
	local folder ends
	folder=$(legacy_backup $bad)
	cp "$(backup_path $good)/neo4j_backup.tar.gz" "$folder/"
	mapfile -t ends < <(gzip_member_ends "$folder/neo4j_backup.tar.gz")
	flip_bit "$folder/neo4j_backup.tar.gz" "$((ends[${#ends[@]} / 2] - 8))"
	refused neo4j 'neo4j_backup.tar.gz is damaged'
}

@test "a legacy archive of another store is refused" {
	local folder
	folder=$(legacy_backup $bad)
	cp "$(backup_path $good)/neo4j_backup.tar.gz" "$folder/chromadb_backup.tar.gz"
	cp "$(backup_path $good)/chromadb_backup.tar.gz" "$folder/neo4j_backup.tar.gz"
	refused chromadb 'chromadb_backup.tar.gz is damaged'
	refused neo4j 'neo4j_backup.tar.gz is damaged'
}

@test "the text that tar writes to a terminal is refused as an archive" {
	local folder
	folder=$(legacy_backup $bad)
	echo 'tar: Refusing to write archive contents to terminal (missing -f option?)' >"$folder/chromadb_backup.tar.gz"
	refused chromadb 'chromadb_backup.tar.gz is damaged'
}

@test "an empty archive is refused" {
	local folder
	folder=$(legacy_backup $bad)
	tar czf "$folder/chromadb_backup.tar.gz" --files-from /dev/null
	refused chromadb 'chromadb_backup.tar.gz is damaged'
}

# --- archives that are more than there is room for ---------------------------------------------------------------------

# A ChromaDB in a project of its own, whose volume is a small tmpfs.
small_chromadb() { # OPTIONS of its mount
	local image
	image=$(docker inspect --format '{{.Config.Image}}' "$(container chromadb)")
	export COMPOSE_PROJECT_NAME=whisperbackup-small-test-${COMPOSE_PROJECT_NAME//[!0-9]/}
	docker volume create --driver local --opt type=tmpfs --opt device=tmpfs --opt "o=$1" "$COMPOSE_PROJECT_NAME" >/dev/null
	docker run --detach --network none --volume "$COMPOSE_PROJECT_NAME:/chroma/chroma" --name "$COMPOSE_PROJECT_NAME" \
		--label "com.docker.compose.project=$COMPOSE_PROJECT_NAME" --label com.docker.compose.service=chromadb \
		--label com.docker.compose.oneoff=False "$image" run --path /chroma/chroma --host 0.0.0.0 --port 8000 >/dev/null
	wait_until quietly "$WHISPERBACKUP" health --only chromadb
}

remove_small_chromadb() {
	docker rm --force --volumes --volumes "$COMPOSE_PROJECT_NAME" >/dev/null 2>&1 || true
	docker volume rm "$COMPOSE_PROJECT_NAME" >/dev/null 2>&1 || true
}

# Refused for want of room, in words that hold PART; and the server's folder is as it was.
no_room() { # PART
	local before
	before=$(docker exec "$COMPOSE_PROJECT_NAME" find /chroma/chroma)
	program 1 restore $bad --only chromadb --yes --no-safety-backup
	assert_contains "$errors" "$1"
	assert_contains "$errors" 'nothing was changed'
	assert_equal "$(docker exec "$COMPOSE_PROJECT_NAME" find /chroma/chroma)" "$before"
}

@test "an archive that inflates to more than there is room for is refused" {
	ninja -C build --quiet hostile
	build/hostile bomb 1000 "$(legacy_backup $bad)/chromadb_backup.tar.gz"
	small_chromadb size=200m
	no_room 'is too full'
}

@test "an archive of more files than can be made is refused" {
	ninja -C build --quiet hostile
	build/hostile entries 5000 "$(legacy_backup $bad)/chromadb_backup.tar.gz"
	small_chromadb size=200m,nr_inodes=3000
	no_room 'no room for so many files'
}

# --- archives that want out -------------------------------------------------------------------------------------------

# What makes an archive one of ChromaDB, unpacked in the test's folder; and a file that has no business outside.
unpacked() {
	mkdir "$BATS_TEST_TMPDIR/tree"
	tar xzf "$(backup_path $good)/chromadb_backup.tar.gz" -C "$BATS_TEST_TMPDIR/tree" chroma/chroma/chroma.sqlite3
	echo evil >"$BATS_TEST_TMPDIR/evil"
}

container_file_sum() {
	docker exec "$(container chromadb)" sha256sum /chroma/chroma/chroma.sqlite3
}

# Adds a file under another name, and makes a backup of it.
with_entry() { # NAME-IN-ARCHIVE
	[[ -e $BATS_TEST_TMPDIR/tar ]] || tar cf "$BATS_TEST_TMPDIR/tar" -C "$BATS_TEST_TMPDIR/tree" chroma
	tar rPf "$BATS_TEST_TMPDIR/tar" -C "$BATS_TEST_TMPDIR" --transform "s|^evil|$1|" evil
	gzip <"$BATS_TEST_TMPDIR/tar" >"$(legacy_backup $bad)/chromadb_backup.tar.gz"
}

# Whoever unpacks it: the program, or the engine, which does as it is told, as root.
refused_by_all() { # PART
	refused chromadb "$1"
	refused chromadb "$1" --volume-access api
	program 5 verify $bad
	assert_contains "$errors$output" "$1"
}

@test "an archive with .. in a path is refused" {
	unpacked
	with_entry chroma/chroma/../../../evil
	refused_by_all 'leads out of it'
}

@test "an archive with an absolute path is refused" {
	unpacked
	with_entry "$BATS_TEST_TMPDIR/absolute"
	refused_by_all 'leads out of it'
	[[ ! -e $BATS_TEST_TMPDIR/absolute ]] || fail 'it was written'
}

@test "an archive that writes through its own symbolic link is refused" {
	unpacked
	mkdir "$BATS_TEST_TMPDIR/outside"
	ln -s "$BATS_TEST_TMPDIR/outside" "$BATS_TEST_TMPDIR/tree/chroma/chroma/link"
	with_entry chroma/chroma/link/evil
	refused_by_all 'leads through a symbolic link'
	assert_equal "$(ls -A "$BATS_TEST_TMPDIR/outside")" ''
}

@test "an archive that writes through its own symbolic link into the live data is refused" {
	local live
	live=$(container_file_sum)
	unpacked
	ln -s /chroma/chroma "$BATS_TEST_TMPDIR/tree/chroma/chroma/link"
	with_entry chroma/chroma/link/chroma.sqlite3
	refused_by_all 'leads through a symbolic link'
	assert_equal "$(container_file_sum)" "$live"
}

@test "an archive with a hard link out of it, or through its own symbolic link, is refused" {
	unpacked
	ln -s /etc "$BATS_TEST_TMPDIR/tree/chroma/chroma/link"
	tar cf "$BATS_TEST_TMPDIR/tar" -C "$BATS_TEST_TMPDIR/tree" chroma
	ln "$BATS_TEST_TMPDIR/evil" "$BATS_TEST_TMPDIR/twin"
	tar rPf "$BATS_TEST_TMPDIR/tar" -C "$BATS_TEST_TMPDIR" --transform 's|^evil|chroma/chroma/link/passwd|;s|^twin|chroma/chroma/twin|' evil twin
	# Only the link is left of the two.
	tar --delete -Pf "$BATS_TEST_TMPDIR/tar" chroma/chroma/link/passwd
	gzip <"$BATS_TEST_TMPDIR/tar" >"$(legacy_backup $bad)/chromadb_backup.tar.gz"
	refused_by_all 'leads through a symbolic link'
}

# --- the question -----------------------------------------------------------------------------------------------------

@test "without a terminal and without --yes nothing is restored" {
	run_expecting 2 "$WHISPERBACKUP" restore $good --only redis </dev/null
	assert_contains "$errors" 'no terminal'
	assert_contains "$errors" "restore $good --yes"
	assert_untouched
}

@test "yes from a pipe does not count" {
	run_expecting 2 "$WHISPERBACKUP" restore $good --only redis <<<yes
	assert_untouched
}

@test "no at the terminal changes nothing" {
	open_terminal restore $good --only redis
	wait_until screen_shows 'Type yes to go on'
	type_keys 'no\n'
	close_terminal 130
	screen_shows 'nothing was changed'
	assert_untouched
}

@test "only the whole word yes is a yes" {
	for answer in y YES; do
		rm -f "$BATS_TEST_TMPDIR/keys"
		open_terminal restore $good --only redis
		wait_until screen_shows 'Type yes to go on'
		type_keys "$answer\\n"
		close_terminal 130
	done
	assert_untouched
}

@test "Ctrl-C at the question changes nothing" {
	open_terminal restore $good --only redis
	wait_until screen_shows 'Type yes to go on'
	type_keys '\003'
	close_terminal 130
	assert_untouched
}

@test "Ctrl-D at the question changes nothing" {
	open_terminal restore $good --only redis
	wait_until screen_shows 'Type yes to go on'
	type_keys '\004'
	close_terminal 130
	assert_untouched
}

@test "while one run waits for its answer, others are told that it is at work" {
	open_terminal restore $good --only redis
	wait_until screen_shows 'Type yes to go on'
	program 4 create
	assert_contains "$errors" 'another backup, restore or cleanup is at work'
	program 4 restore $good --only redis --yes --no-safety-backup
	program 4 cleanup 0
	program 0 list
	type_keys 'no\n'
	close_terminal 130
	assert_untouched
}

# --- the last ones: they change the live data -------------------------------------------------------------------------

@test "a store that is not damaged can be chosen out of a damaged backup" {
	local folder
	folder=$(copy_backup $good $bad)
	rm "$folder/neo4j_backup.tar.gz"
	redis_run SET sample:since-the-backup 1 >/dev/null
	program 0 restore $bad --only redis --yes --no-safety-backup
	assert_equal "$(redis_run EXISTS sample:since-the-backup)" 0
}

@test "yes at the terminal restores" {
	redis_run SET sample:since-the-backup 1 >/dev/null
	open_terminal restore $good --only redis
	wait_until screen_shows 'Type yes to go on'
	screen_shows 'This replaces ALL current data of Redis'
	type_keys 'yes\n'
	close_terminal 0
	assert_equal "$(redis_run EXISTS sample:since-the-backup)" 0
	assert_equal "$(redis_run EXISTS sample:text)" 1
}
