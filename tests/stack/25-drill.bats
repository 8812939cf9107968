#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# verify --drill on real servers: a good backup comes back; broken ones that look fine, with checksums that fit, are called
# bad and why is said; the live containers are not touched; nothing is left behind, also after a kill -9.

load helpers

setup_file() {
	stack_up
	seed "${all_services[@]/postgres/postgresql}"
	redis_run HSET sample:listpack f1 v1 f2 v2
	chroma_post '' '{"name": "sample_rewrite"}' | jq -er .id >"$BATS_FILE_TMPDIR/rewrite"
	add_records 0 1000
	add_records 1000 100
	keep_output create "$WHISPERBACKUP" create
	newest_backup >"$BATS_FILE_TMPDIR/good"
	live_fingerprint >"$BATS_FILE_TMPDIR/fingerprint"
}

add_records() { # FIRST COUNT: to the collection sample_rewrite; after each 1000 Chroma rewrites its index
	chroma_post "/$(cat "$BATS_FILE_TMPDIR/rewrite")/add" "$(jq -cn --argjson first "$1" --argjson count "$2" \
		'{ids: [range($first; $first + $count) | "r\(.)"], embeddings: [range($first; $first + $count) | [., (. * 7 % 13), 1, 2]]}')" >/dev/null
}

setup() {
	good=$(cat "$BATS_FILE_TMPDIR/good")
}

teardown() {
	end_program
	[[ -n ${BATS_TEST_COMPLETED:-} ]] || quietly "$WHISPERBACKUP" recover || true # or the next tests would find it, too
	assert_nothing_left
	assert_fingerprint "$BATS_FILE_TMPDIR/fingerprint"
}

# The drills of other runs on this machine have other names.
drill_containers() {
	[[ ! -e $BACKUP_DIR/.drill.json ]] ||
		docker ps --all --quiet --filter "label=whisperengine.backup.drill=$(jq -r .drill "$BACKUP_DIR/.drill.json")"
}

a_drill_container_is_there() {
	[[ -n $(drill_containers) ]]
}

hold_drill() { # TIMESTAMP: one of it is held while it has a container
	local try
	for try in 1 2 3 4 5; do
		start_program verify "$1" --drill
		if catch_when a_drill_container_is_there; then
			note_drill
			return
		fi
	done
	fail "the drill had no container in $try tries:" "$(cat "$BATS_TEST_TMPDIR/err")"
}

note_drill() { # remembers the name of the one that is at work, or was killed
	drill_name=$(jq -r .drill "$BACKUP_DIR/.drill.json")
}

assert_nothing_left() {
	[[ ! -e $BACKUP_DIR/.drill.json ]] || fail "the drill's journal is left"
	assert_equal "$(find "$BACKUP_DIR" -maxdepth 1 -name '.checking*')" ''
	[[ -z ${drill_name:-} ]] || {
		assert_equal "$(docker ps --all --quiet --filter "label=whisperengine.backup.drill=$drill_name")" ''
		assert_equal "$(docker volume ls --quiet --filter "label=whisperengine.backup.drill=$drill_name")" ''
	}
}

# A backup of one store alone, so that its drill is short: a copy of the good one's artefact, which can then be forged.
only() { # STORE TIMESTAMP: sets $folder and $artefact
	folder=$(copy_backup "$good" "$2")
	artefact=$(artefact_of "$1")
	find "$folder" -type f ! -name "$artefact" ! -name manifest.json ! -name backup_info.txt -delete
	jq --arg name "$1" '.status = "partial" | .stores |= map(if .name == $name then . else {name, status: "skipped", reason: "not chosen"} end)' \
		"$folder/manifest.json" >"$BATS_TEST_TMPDIR/manifest"
	cp "$BATS_TEST_TMPDIR/manifest" "$folder/manifest.json"
	forget_sum_of_manifest
	note_sums
}

# Forged so well that reading every byte finds nothing, and the drill does.
assert_only_the_drill_knows() { # TIMESTAMP PART-OF-THE-REASON
	program 0 verify "$1"
	program 5 verify "$1" --drill --json
	assert_contains "$errors" "$1 would not come back: "
	assert_contains "$errors" "$2"
	assert_json "$output" '.backups[0].verified | [.good, .read.good, .drill.good]' '[false,true,false]'
	program 0 list
	assert_contains "$output" '❌ drilled just now: '
}

# --- a good one -------------------------------------------------------------------------------------------------------

@test "a good backup comes back, store by store, and is known for it" {
	assert_equal "$(kept create.status)" 0
	program 0 verify --drill
	assert_contains "$errors" 'postgresql  restored in '
	assert_contains "$errors" 'every record read: '
	assert_contains "$errors" "$good would come back: restored in "
	program 0 list --json
	assert_json "$output" '.backups[-1].verified | [.good, .drill.good, (.drill.stores | map(.seconds > 0))]' \
		'[true,true,[true,true,true,true]]'
	program 0 list
	assert_contains "$output" 'restored in a drill just now, in '
}

@test "a drill's containers have no network, no ports and no volumes but their own" {
	local id
	only redis 20240901_000001
	hold_drill 20240901_000001
	id=$(drill_containers)
	assert_equal "$(docker inspect --format '{{.HostConfig.NetworkMode}} {{len .HostConfig.PortBindings}} {{.HostConfig.Binds}}' "$id")" 'none 0 []'
	assert_equal "$(docker inspect --format '{{range .Mounts}}{{.Type}} {{.Destination}} {{end}}' "$id")" 'volume /data '
	let_go
	ends_with 0
}

# --- broken ones that look fine ---------------------------------------------------------------------------------------

@test "ChromaDB: an index whose vectors were cut off" {
	only chromadb 20240901_000002
	unpack
	# The end of the file may be room that is not used yet; and the folder of a collection that was deleted may be there.
	find "$tree" -name data_level0.bin -size +4k -exec truncate --size=4096 {} +
	repack
	assert_only_the_drill_knows 20240901_000002 'ChromaDB: '
}

@test "ChromaDB: frozen in the middle of an index rewrite: the vectors of another moment than the rest" {
	local old file
	old=$(backup_path "$good")
	add_records 1100 1000
	add_records 2100 100
	program 0 create --only chromadb
	folder=$(backup_path "$(newest_backup)")
	artefact=chromadb_backup.tar.gz
	program 0 verify latest --drill
	unpack
	mkdir "$BATS_TEST_TMPDIR/old"
	tar -xzf "$old/$artefact" -C "$BATS_TEST_TMPDIR/old"
	# The segment that both have, and that has grown in between.
	for file in $(cd "$tree" && find . -name data_level0.bin); do
		if [[ -e $BATS_TEST_TMPDIR/old/$file ]] && ! cmp -s "$tree/$file" "$BATS_TEST_TMPDIR/old/$file"; then
			cp "$BATS_TEST_TMPDIR/old/$file" "$tree/$file"
			: >"$BATS_TEST_TMPDIR/forged"
		fi
	done
	[[ -e $BATS_TEST_TMPDIR/forged ]] || fail "no segment has grown"
	repack
	assert_only_the_drill_knows "$(newest_backup)" 'ChromaDB: the collection sample_rewrite'
	rm -rf "$folder"
}

@test "PostgreSQL: a dump that was cut inside COPY, with the closing lines forged" {
	only postgresql 20240901_000003
	local line key
	line=$(grep -n '^COPY sample.messages ' "$folder/$artefact" | cut -d: -f1)
	head -n $((line + 100)) "$folder/$artefact" >"$BATS_TEST_TMPDIR/cut"
	key=$(tail -n +2 "$BATS_TEST_TMPDIR/cut" | sed -n 's/^\\restrict //p' | tail -n 1)
	printf '\\.\n\n\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict %s\n\n--\n-- PostgreSQL database cluster dump complete\n--\n\n' "$key" \
		>>"$BATS_TEST_TMPDIR/cut"
	cp "$BATS_TEST_TMPDIR/cut" "$folder/$artefact"
	note_sums
	assert_only_the_drill_knows 20240901_000003 'PostgreSQL: '
}

# Redis' CRC-64 (Jones) of the whole file but its last eight bytes, put there (redis, src/crc64.c).
correct_crc() { # FILE
	perl -e '
		my @table = map { my $byte = $_; $byte = $byte >> 1 ^ ($byte & 1) * 0x95ac9329ac4bc9b5 for 1 .. 8; $byte } 0 .. 255;
		open(my $file, "+<:raw", $ARGV[0]) or die $!;
		local $/;
		my ($crc, $content) = (0, <$file>);
		my $length = length($content) - 8;
		$crc = $table[($crc ^ $_) & 255] ^ $crc >> 8 for unpack("C$length", $content);
		seek($file, -8, 2) && print $file pack("Q<", $crc) or die $!;
		close($file) or die $!;
	' "$1"
}

@test "Redis: a dump with a flipped bit and a corrected CRC-64" {
	only redis 20240901_000004
	local at
	cp "$folder/$artefact" "$BATS_TEST_TMPDIR/before"
	correct_crc "$folder/$artefact"
	cmp "$folder/$artefact" "$BATS_TEST_TMPDIR/before" # it is computed as Redis does
	# Behind the key: the length of its value, which is a listpack: 4 bytes of length, 2 of count, then how long "f1" is.
	at=$(grep -abo 'sample:listpack' "$folder/$artefact" | cut -d: -f1)
	flip_bit "$folder/$artefact" $((at + 15 + 1 + 6))
	correct_crc "$folder/$artefact"
	note_sums
	assert_only_the_drill_knows 20240901_000004 'Redis: '
}

@test "Neo4j: an archive without the database's transaction logs" {
	only neo4j 20240901_000005
	unpack
	rm -r "$tree/data/transactions/neo4j"
	repack
	assert_only_the_drill_knows 20240901_000005 'Neo4j: '
}

@test "Neo4j: without any transaction logs, reading is enough" {
	only neo4j 20240901_000006
	unpack
	rm -r "$tree/data/transactions"
	repack
	program 5 verify 20240901_000006 --drill
	assert_contains "$errors" 'neo4j_backup.tar.gz: it holds no Neo4j transaction logs'
}

@test "a manifest that says something else than the data" {
	only redis 20240901_000007
	jq '(.stores[] | select(.name == "redis").fingerprint.keys.db0) += 1' "$folder/manifest.json" >"$BATS_TEST_TMPDIR/manifest"
	cp "$BATS_TEST_TMPDIR/manifest" "$folder/manifest.json"
	forget_sum_of_manifest
	assert_only_the_drill_knows 20240901_000007 'it does not hold what the manifest says: '
}

# --- when it cannot be done, or is not let to end ---------------------------------------------------------------------

@test "an image that is not there is a failure of the drill, and not of the backup; nothing is pulled" {
	only redis 20240901_000008
	jq '.stores |= map(if .name == "redis" then . + {image: "nobody/nothing:1", image_digest: ("sha256:" + ("0" * 64))} else . end)' \
		"$folder/manifest.json" >"$BATS_TEST_TMPDIR/manifest"
	cp "$BATS_TEST_TMPDIR/manifest" "$folder/manifest.json"
	forget_sum_of_manifest
	program 1 verify 20240901_000008 --drill
	assert_contains "$errors" 'the image nobody/nothing:1 of Redis is not on this machine'
	program 0 list --json
	assert_json "$output" '.backups[] | select(.timestamp == "20240901_000008").verified | [.good, .drill]' '[true,null]'
}

@test "an image that is only there by its name is taken, with a warning" {
	only redis 20240901_000009
	jq '.stores |= map(if .name == "redis" then .image_digest = ("sha256:" + ("0" * 64)) else . end)' \
		"$folder/manifest.json" >"$BATS_TEST_TMPDIR/manifest"
	cp "$BATS_TEST_TMPDIR/manifest" "$folder/manifest.json"
	forget_sum_of_manifest
	program 0 verify 20240901_000009 --drill
	assert_contains "$errors" 'Redis: the image that was backed up is not there any more'
}

@test "create --drill makes a backup and drills it" {
	program 0 create --only redis --drill --json
	assert_contains "$errors" 'would come back: restored in '
	assert_json "$output" '[.status, .verified.drill.good]' '["partial",true]'
}

@test "schedule run --drill drills the new backup if no drill went well for a week, and only then" {
	local file eight_days_ago
	eight_days_ago=$(date -u -d '8 days ago' +%FT%TZ)
	for file in "$BACKUP_DIR"/*/verified.json; do
		jq --arg when "$eight_days_ago" 'if .drill then .drill.when = $when else . end' "$file" >"$BATS_TEST_TMPDIR/verified"
		cp "$BATS_TEST_TMPDIR/verified" "$file"
	done
	program 0 schedule run 30 --drill
	assert_contains "$(cat "$BACKUP_DIR/backup.log")" 'would come back: restored in '
	assert_contains "$(tail -n 1 "$BACKUP_DIR/backup.log")" 'done, and drilled'
	rm "$BACKUP_DIR/backup.log"
	program 0 schedule run 30 --drill
	refute_contains "$(cat "$BACKUP_DIR/backup.log")" 'drill'
	assert_contains "$(tail -n 1 "$BACKUP_DIR/backup.log")" 'done, in '
}

@test "a drill that is interrupted removes what it has made" {
	local signal
	for signal in INT TERM HUP; do
		hold_drill "$good"
		kill "-$signal" "$running"
		let_go
		ends_with 130
		assert_nothing_left
		[[ ! -e $(backup_path "$good")/verified.json ]] || refute_contains "$(cat "$(backup_path "$good")/verified.json")" '"good": false'
	done
}

@test "with all standard streams closed a drill is as good as any" {
	quietly "$WHISPERBACKUP" create --only redis
	run_expecting 0 sh -c 'exec "$@" <&- >&- 2>&-' sh "$WHISPERBACKUP" verify latest --drill
	assert_nothing_left
	assert_json "$(cat "$(backup_path)/verified.json")" '[.drill.good, .read.good]' '[true,true]'
	rm -r "$(backup_path)"
}

@test "a drill that was killed is cleared away by the next command" {
	hold_drill "$good"
	kill_program
	[[ -n $(drill_containers) ]] || fail "the drill has left nothing"
	program 0 list
	assert_contains "$errors" 'a drill was killed'
	assert_nothing_left
	program 0 recover
	assert_equal "$output" 'There was nothing to recover.'
}

@test "a backup that is removed during its drill is not called bad" {
	only redis 20240901_000011
	hold_drill 20240901_000011
	rm -r "$folder"
	let_go
	ends_with 1
	assert_contains "$(cat "$BATS_TEST_TMPDIR/err")" 'the backup 20240901_000011 was removed meanwhile'
	refute_contains "$(cat "$BATS_TEST_TMPDIR/err")" 'would not come back'
}

@test "a drill that is at work is left alone by other commands" {
	only redis 20240901_000010
	hold_drill 20240901_000010
	program 0 list
	assert_equal "$errors" ''
	program 4 verify
	let_go
	ends_with 0
}
