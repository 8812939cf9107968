#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# list and show: what is said of good, partial, old and damaged backups. No Docker anywhere.

load helpers

setup() {
	enter_project
}

listed_status() { # TIMESTAMP: its status in list --json
	program 0 list --json
	jq -r --arg timestamp "$1" '.backups[] | select(.timestamp == $timestamp) | .status' <<<"$output"
}

@test "without a backup folder, list says how to make the first backup" {
	program 0 list
	assert_equal "$output" 'No backups in ./backups yet. Make the first one: whisperbackup create'
	[[ ! -e $backups ]] || fail "list has made $backups"
}

@test "without a backup folder, list --json is an empty list" {
	program 0 list --json
	assert_json "$output" . '{"backups":[]}'
}

@test "a complete backup, to the letter" {
	make_backup 20240912_143022
	program 0 list
	assert_equal "$(sed -n 1p <<<"$output")" '1 backup in ./backups, newest first:'
	[[ $(sed -n 3p <<<"$output") =~ ^20240912_143022\ \ \ Thu\ 12\ Sep\ 2024\ 14:30:22\ .*\ complete$ ]] || fail "$output"
	assert_equal "$(sed -n 4,5p <<<"$output")" "$(
		cat <<'TEXT'
   ✅ postgresql 23  ✅ redis 18  ✅ chromadb 21  ✅ neo4j 18 
   restore: whisperbackup restore 20240912_143022
TEXT
	)"
	assert_equal "$errors" ''
}

@test "list --json of a complete backup has every field" {
	make_backup 20240912_143022
	program 0 list --json
	assert_json "$output" '.backups | length' 1
	assert_json "$output" '.backups[0] | del(.stores, .size_bytes)' \
		"{\"timestamp\":\"20240912_143022\",\"path\":\"$backups/whisperengine_backup_20240912_143022\",\"created\":\"2024-09-12T14:30:22+00:00\",\"status\":\"complete\",\"verified\":null,\"project\":\"project\",\"before_restore\":false}"
	assert_json "$output" '.backups[0].size_bytes' \
		"$(find "$backups"/whisperengine_backup_* -type f -printf '%s\n' | awk '{ n += $1 } END { print n }')"
	assert_json "$output" '[.backups[0].stores[] | [.name, .status, .file, .size_bytes, .fingerprint]]' \
		'[["postgresql","ok","postgresql_backup.sql",23,null],["redis","ok","redis_backup.rdb",18,null],["chromadb","ok","chromadb_backup.tar.gz",21,null],["neo4j","ok","neo4j_backup.tar.gz",18,null]]'
	assert_json "$output" '.backups[0].stores[1].sha256' \
		"\"$(sha256sum <"$backups/whisperengine_backup_20240912_143022/redis_backup.rdb" | cut -c 1-64)\""
}

@test "the JSON's moment of creation carries the offset from UTC" {
	make_backup 20240912_143022
	TZ=PDT7 program 0 list --json
	assert_json "$output" '.backups[0].created' '"2024-09-12T14:30:22-07:00"'
	TZ=IST-5:30 program 0 list --json
	assert_json "$output" '.backups[0].created' '"2024-09-12T14:30:22+05:30"'
}

@test "people see the newest backup first, programs the oldest" {
	make_backup 20240912_143022
	make_legacy_backup 20230101_000000
	make_backup 20240912_143023
	program 0 list
	assert_equal "$(grep -oE '^[0-9]{8}_[0-9]{6}' <<<"$output")" $'20240912_143023\n20240912_143022\n20230101_000000'
	program 0 list --json
	assert_json "$output" '[.backups[].timestamp]' '["20230101_000000","20240912_143022","20240912_143023"]'
}

@test "a folder without a manifest is a legacy backup" {
	make_legacy_backup 20240912_143022
	program 0 list
	assert_contains "$output" legacy
	assert_contains "$output" 'restore: whisperbackup restore 20240912_143022'
	program 0 list --json
	assert_json "$output" '.backups[0].status' '"legacy"'
	assert_json "$output" '[.backups[0].stores[] | [.name, .status, .sha256]]' \
		'[["postgresql","ok",null],["redis","ok",null],["chromadb","ok",null],["neo4j","ok",null]]'
}

@test "a legacy backup may use the names of the guide's manual commands" {
	mkdir -p "$backups/whisperengine_backup_20240912_143022"
	cd "$backups/whisperengine_backup_20240912_143022"
	touch manual_postgres_backup.sql manual_redis_backup.rdb manual_chromadb_backup.tar.gz manual_neo4j_backup.tar.gz
	program 0 list --json
	assert_json "$output" '[.backups[0].stores[].file]' \
		'["manual_postgres_backup.sql","manual_redis_backup.rdb","manual_chromadb_backup.tar.gz","manual_neo4j_backup.tar.gz"]'
}

@test "a legacy backup of one store holds that store alone" {
	mkdir -p "$backups/whisperengine_backup_20240912_143022"
	echo data >"$backups/whisperengine_backup_20240912_143022/redis_backup.rdb"
	program 0 list --json
	assert_json "$output" '[.backups[0].stores[].name]' '["redis"]'
}

@test "a partial backup says which stores it lacks" {
	make_backup 20240912_143022 postgresql redis
	program 0 list
	assert_contains "$output" partial
	assert_contains "$output" 'chromadb skipped'
	program 0 list --json
	assert_json "$output" '.backups[0].status' '"partial"'
	assert_json "$output" '[.backups[0].stores[] | [.name, .status, .reason]]' \
		'[["postgresql","ok",null],["redis","ok",null],["chromadb","skipped","not running"],["neo4j","skipped","not running"]]'
}

@test "a missing file makes a backup damaged" {
	make_damaged_backup 20240912_143022
	program 0 list
	assert_contains "$output" 'damaged: redis_backup.rdb is missing'
	refute_contains "$output" 'restore: '
	assert_equal "$(listed_status 20240912_143022)" damaged
}

@test "a file of another size makes a backup damaged" {
	make_backup 20240912_143022
	echo more >>"$backups/whisperengine_backup_20240912_143022/neo4j_backup.tar.gz"
	program 0 list
	assert_contains "$output" 'damaged: neo4j_backup.tar.gz has not the size'
}

@test "a manifest that is no JSON makes a backup damaged, not legacy" {
	make_backup 20240912_143022
	echo '{"format": 1, "stores": [' >"$backups/whisperengine_backup_20240912_143022/manifest.json"
	assert_equal "$(listed_status 20240912_143022)" damaged
}

@test "an empty manifest makes a backup damaged, not legacy" {
	make_backup 20240912_143022
	: >"$backups/whisperengine_backup_20240912_143022/manifest.json"
	assert_equal "$(listed_status 20240912_143022)" damaged
}

@test "a manifest of a later format is not guessed at" {
	make_backup 20240912_143022
	sed -i 's/"format": 1/"format": 2/' "$backups/whisperengine_backup_20240912_143022/manifest.json"
	assert_equal "$(listed_status 20240912_143022)" damaged
}

@test "a manifest without stores makes a backup damaged" {
	make_backup 20240912_143022
	echo '{"format": 1, "status": "complete"}' >"$backups/whisperengine_backup_20240912_143022/manifest.json"
	assert_equal "$(listed_status 20240912_143022)" damaged
}

@test "a manifest that calls the backup complete but leaves out a store is damaged" {
	make_backup 20240912_143022
	local manifest=$backups/whisperengine_backup_20240912_143022/manifest.json
	jq 'del(.stores[3])' "$manifest" >"$BATS_TEST_TMPDIR/edited"
	cp "$BATS_TEST_TMPDIR/edited" "$manifest"
	assert_equal "$(listed_status 20240912_143022)" damaged
}

@test "a manifest that names a file outside its folder makes a backup damaged" {
	make_backup 20240912_143022
	echo 'the data of redis' >"$project/elsewhere"
	sed -i 's|"redis_backup.rdb"|"../../elsewhere"|' "$backups/whisperengine_backup_20240912_143022/manifest.json"
	assert_equal "$(listed_status 20240912_143022)" damaged
}

@test "a symbolic link in place of a file makes a backup damaged" {
	make_backup 20240912_143022
	cd "$backups/whisperengine_backup_20240912_143022"
	mv redis_backup.rdb "$project/elsewhere"
	ln -s "$project/elsewhere" redis_backup.rdb
	assert_equal "$(listed_status 20240912_143022)" damaged
}

@test "one damaged backup does not hide the others" {
	make_backup 20240911_000000
	make_damaged_backup 20240912_143022
	make_backup 20240913_000000
	program 0 list --json
	assert_json "$output" '[.backups[].status]' '["complete","damaged","complete"]'
}

@test "what is not a backup is not listed" {
	mkdir -p "$backups/whisperengine_backup_20240912" "$backups/whisperengine_backup_20241399_000000" "$backups/other" \
		"$backups/whisperengine_backup_20240912_143022" "$backups/.partial-20240912_143022"
	echo data >"$backups/.partial-20240912_143022/redis_backup.rdb"
	touch "$backups/whisperengine_backup_20240913_143022"
	program 0 list --json
	assert_json "$output" . '{"backups":[]}'
}

@test "a backup folder that is a file is an error, not an empty list" {
	echo text >"$project/backups"
	program 1 list
	assert_contains "$errors" "$backups"
}

@test "list into head prints no error" {
	for ((i = 0; i < 500; i++)); do
		printf -v timestamp '2023%02d%02d_%06d' $((i % 12 + 1)) $((i % 28 + 1)) $((i / 28))
		mkdir -p "$backups/whisperengine_backup_$timestamp"
		: >"$backups/whisperengine_backup_$timestamp/redis_backup.rdb"
	done
	# More than a pipe holds, so that the program does write to a reader that has gone.
	[[ $("$WHISPERBACKUP" list | wc -c) -gt 70000 ]] || fail "too few backups for this test"
	"$WHISPERBACKUP" list 2>"$BATS_TEST_TMPDIR/errors" | head -n 1 >"$BATS_TEST_TMPDIR/first"
	[[ $(cat "$BATS_TEST_TMPDIR/first") =~ ^[0-9]+\ backups ]] || fail "$(cat "$BATS_TEST_TMPDIR/first")"
	assert_equal "$(cat "$BATS_TEST_TMPDIR/errors")" ''
}

@test "list that cannot write its output fails and says so" {
	make_backup 20240912_143022
	run_expecting 1 sh -c "\"\$WHISPERBACKUP\" list >/dev/full"
	assert_contains "$errors" 'standard output'
	assert_contains "$errors" 'No space left'
}

@test "list --json that cannot write its output fails and says so" {
	make_backup 20240912_143022
	run_expecting 1 sh -c "\"\$WHISPERBACKUP\" list --json >/dev/full"
	assert_contains "$errors" 'standard output'
}

@test "list with closed standard output fails and says so" {
	make_backup 20240912_143022
	run_expecting 1 sh -c "\"\$WHISPERBACKUP\" list >&-"
	assert_contains "$errors" 'standard output'
}

@test "help that cannot write its output fails" {
	run_expecting 1 sh -c "\"\$WHISPERBACKUP\" help >/dev/full"
	assert_contains "$errors" 'standard output'
}

@test "show tells one backup in detail" {
	make_backup 20240912_143022
	program 0 show 20240912_143022
	assert_contains "$output" 'Backup 20240912_143022, Thu 12 Sep 2024 14:30:22'
	assert_contains "$output" "$backups/whisperengine_backup_20240912_143022"
	assert_contains "$output" '✅ redis: redis_backup.rdb (18)'
	assert_contains "$output" "$(sha256sum <"$backups/whisperengine_backup_20240912_143022/redis_backup.rdb" | cut -c 1-64)"
	assert_contains "$output" 'restore: whisperbackup restore 20240912_143022'
}

@test "no text of a manifest reaches the terminal as a command" {
	make_backup 20240912_143022
	local manifest=$backups/whisperengine_backup_20240912_143022/manifest.json
	jq '.stores[].image = "a\u001b[2Jb"' "$manifest" >"$manifest.new"
	mv "$manifest.new" "$manifest"
	program 0 show 20240912_143022
	assert_contains "$output" 'a?[2Jb'
	refute_contains "$output" $'\e'
}

@test "nor does the name of a folder" {
	mkdir $'x\e[2Jy\xe2\x80\xaez'
	touch $'x\e[2Jy\xe2\x80\xaez/docker-compose.yml'
	cd $'x\e[2Jy\xe2\x80\xaez'
	BACKUP_DIR=$PWD/backups program 0 list
	assert_contains "$output" 'x?[2Jy???z/backups'
	mkdir -m 700 backups # for schedule run
	local arguments
	for arguments in 'schedule status' 'schedule run' status create verify; do
		# shellcheck disable=SC2086 # words
		BACKUP_DIR=$PWD/backups run --separate-stderr "$WHISPERBACKUP" $arguments
		[[ $arguments != 'schedule status' ]] || assert_contains "$output" 'x?[2Jy???z'
		refute_contains "$output$stderr" $'\e'
		refute_contains "$output$stderr" $'\xe2\x80\xae'
	done
	refute_contains "$(cat backups/backup.log)" $'\e'
	assert_contains "$(cat backups/backup.log)" 'x?[2Jy???z'
}

@test "show --json is list's entry and the manifest" {
	make_backup 20240912_143022
	program 0 list --json
	local entry
	entry=$(jq -c '.backups[0]' <<<"$output")
	program 0 show --json 20240912_143022
	assert_json "$output" 'del(.manifest)' "$entry"
	assert_json "$output" .manifest "$(jq -c . "$backups/whisperengine_backup_20240912_143022/manifest.json")"
}

@test "show of a damaged backup says what is wrong" {
	make_damaged_backup 20240912_143022
	program 0 show 20240912_143022
	assert_contains "$output" 'damaged: redis_backup.rdb is missing'
}

@test "show of a legacy backup works without a manifest" {
	make_legacy_backup 20240912_143022
	program 0 show 20240912_143022
	assert_contains "$output" legacy
	assert_contains "$output" 'chromadb_backup.tar.gz'
}

@test "latest is the newest backup that is not damaged" {
	make_backup 20240911_000000
	make_legacy_backup 20240912_000000
	make_damaged_backup 20240913_000000
	program 0 show --json latest
	assert_json "$output" .timestamp '"20240912_000000"'
}

found_bad() { # TIMESTAMP: by a drill
	make_sound_backup "$1"
	program 0 verify "$1" --quiet
	jq '.drill = .read + {good: false, problem: "it did not come back"}' "$folder/verified.json" >"$BATS_TEST_TMPDIR/verified"
	cp "$BATS_TEST_TMPDIR/verified" "$folder/verified.json"
}

change_manifest() { # TIMESTAMP FILTER
	local manifest=$backups/whisperengine_backup_$1/manifest.json changed
	changed=$(jq "$2" "$manifest")
	echo "$changed" >"$manifest"
}

assert_latest() { # TIMESTAMP
	program 0 show --json latest
	assert_json "$output" .timestamp "\"$1\""
}

@test "latest passes over what a drill has found bad, if there is another" {
	found_bad 20240912_000000
	assert_latest 20240912_000000
	make_backup 20240911_000000
	assert_latest 20240911_000000
}

@test "latest passes over what is dated in the future, if there is another" {
	make_backup 20990101_000000
	assert_latest 20990101_000000
	make_backup 20240911_000000
	assert_latest 20240911_000000
}

@test "latest passes over what a restore has made before it began, if there is another" {
	make_backup 20240912_000000
	change_manifest 20240912_000000 '.before_restore_of = "20240911_000000"'
	assert_latest 20240912_000000
	make_backup 20240911_000000
	assert_latest 20240911_000000
}

@test "latest is no backup of the future because it was made in another zone" {
	make_backup 20240912_143022
	local fresh
	fresh=$(days_ago 0)
	make_backup "$fresh"
	change_manifest "$fresh" ".started = \"$(date -u +%Y-%m-%dT%H:%M:%S).000Z\""
	TZ=PDT7 assert_latest "$fresh"
}

@test "latest is what was made last, in whatever zone it got its name" {
	make_backup 20240912_120000
	change_manifest 20240912_120000 '.started = "2024-09-12T12:00:00.000Z"'
	make_backup 20240912_063000
	change_manifest 20240912_063000 '.started = "2024-09-12T13:30:00.000Z"'
	TZ=PDT7 assert_latest 20240912_063000
	assert_latest 20240912_063000
}

@test "latest is what another project has made, rather than what a restore has kept" {
	make_backup 20240911_000000
	change_manifest 20240911_000000 '.project = "other"'
	make_backup 20240912_000000
	change_manifest 20240912_000000 '.before_restore_of = "20240911_000000"'
	COMPOSE_PROJECT_NAME=project assert_latest 20240911_000000
}

@test "latest is this project's own backup, if there is one" {
	make_backup 20240912_000000
	change_manifest 20240912_000000 '.project = "other"'
	COMPOSE_PROJECT_NAME=project assert_latest 20240912_000000
	make_backup 20240911_000000
	COMPOSE_PROJECT_NAME=project assert_latest 20240911_000000
	COMPOSE_PROJECT_NAME=other assert_latest 20240912_000000
}

@test "show tells whose backup it is, and that a restore has made it" {
	make_backup 20240912_000000
	change_manifest 20240912_000000 '.project = "ot\nher" | .before_restore_of = "20240911_000000"'
	program 0 show latest
	assert_contains "$output" 'of the project ot her'
	assert_contains "$output" 'made before a restore of 20240911_000000'
	program 0 list
	assert_contains "$output" 'made before a restore'
}

@test "list and show call only what is whole good" {
	make_damaged_backup 20240912_000000
	program 0 list
	assert_contains "$output" '❌ redis'
	assert_contains "$output" '✅ neo4j'
	program 0 show 20240912_000000
	assert_contains "$output" '❌ redis: redis_backup.rdb'
	assert_contains "$output" '✅ neo4j'
	refute_contains "$output" ' restore 20240912'
	program 0 list --json
	assert_json "$output" '[.backups[].stores[] | select(.damaged).name]' '["redis"]'
}

@test "latest without any good backup is an error" {
	make_damaged_backup 20240913_000000
	make_damaged_backup 20240912_000000
	program 1 show latest
	assert_contains "$errors" 'no good backup'
	assert_contains "$errors" 'the newest, 20240913_000000, is damaged: redis_backup.rdb is missing'
}

@test "latest without any backup says how to make one" {
	program 1 show latest
	assert_contains "$errors" 'no good backup'
	assert_contains "$errors" 'make one with create'
}
