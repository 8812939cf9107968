#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2034,SC2030,SC2031,SC2154
# One moment of all stores: what was written one after the other, under load, is in a backup up to one number and no
# further. `make soak` does the same for long.

stack=as_shipped # environment.sh reads it
load helpers
load writer

loads=(plain heavy heavy)

setup_file() {
	local load lowest report
	stack_up
	writer_reset
	mkdir -p "$BATS_FILE_TMPDIR/taken"
	for load in "${loads[@]}"; do
		writer_start "$load"
		lowest=$(writer_number)
		wait_until writer_is_past $((lowest + 10))
		lowest=$(writer_number)
		report=$("$WHISPERBACKUP" create --quiet --json) || fail "create failed under the load $load"
		# What is written after the moment must not be in the backup.
		wait_until writer_is_past $((lowest + 10))
		jq -c --arg load "$load" --argjson lowest "$lowest" --argjson highest "$(writer_number)" \
			'{timestamp, $load, $lowest, $highest}' <<<"$report" >"$BATS_FILE_TMPDIR/taken/$(find "$BATS_FILE_TMPDIR/taken" -type f | wc -l)"
	done
	writer_stop
}

teardown_file() {
	writer_remove writer
	stack_up
	writer_program reset.mjs
}

taken() { # INDEX FIELD
	jq -r ".$2" "$BATS_FILE_TMPDIR/taken/$1"
}

assert_one_moment() { # INDEX
	local timestamp found number
	timestamp=$(taken "$1" timestamp)
	program 0 restore "$timestamp" --yes --no-safety-backup --quiet
	found=$(tests/stack/moment_check.sh) || fail "the backup $timestamp, taken under the load $(taken "$1" load):" "$found"
	number=$(jq .numbers.all.redis <<<"$found")
	[[ $number -ge $(taken "$1" lowest) && $number -le $(taken "$1" highest) ]] ||
		fail "this is of another time: $number" "$(cat "$BATS_FILE_TMPDIR/taken/$1")"
}

@test "the check that follows finds no fault with the live data once the writer has stopped" {
	tests/stack/moment_check.sh || fail "the writer itself leaves the stores apart"
}

@test "a backup taken while numbers are written is of one moment" {
	assert_one_moment 0
}

@test "a backup taken under heavy load is of one moment, and every record of ChromaDB is there" {
	assert_one_moment 1
}

@test "so is the next one" {
	assert_one_moment 2
}

@test "the manifest tells how long the services stood still" {
	local i
	for i in "${!loads[@]}"; do
		assert_json "$(cat "$(backup_path "$(taken "$i" timestamp)")/manifest.json")" \
			'[.window_milliseconds > 0, ([.stores[].freeze_milliseconds] | max) <= .window_milliseconds]' '[true,true]'
	done
}

@test "the writer goes on where the restored data ends" {
	local before
	before=$(writer_number)
	writer_again
	wait_until writer_is_past $((before + 5))
	writer_stop
	tests/stack/moment_check.sh || fail "the stores are apart after the restore"
}

numbers_of() { # TIMESTAMP: of the quick chain in that backup, in a line: main database, second database, Redis
	local file main=${POSTGRES_DB:-whisperengine}
	file=$(backup_path "$1")/postgresql_backup.sql
	number_in() { # DATABASE
		awk -v database="$1" '/^\\connect / { here = $2 == database }
			here && /^COPY public\.moment_quick_counter / { getline; print $2; exit }' "$file"
	}
	echo "$(number_in "$main") $(number_in moment_second) $(docker run --rm --interactive --network none --entrypoint sh "$redis_image" -c '
		cat >/tmp/dump.rdb
		redis-server --save "" --port 0 --unixsocket /tmp/socket --dir /tmp --daemonize yes >/dev/null
		until redis-cli -s /tmp/socket PING 2>/dev/null | grep -q PONG; do sleep 0.1; done
		redis-cli -s /tmp/socket GET moment:quick:counter' <"$(backup_path "$1")/redis_backup.rdb")"
}

is_of_one_moment() { # NUMBER NUMBER NUMBER of the quick chain: no later place is ahead, and at most one number is under way
	(($1 >= $2 && $2 >= $3 && $1 - $3 <= 1))
}

# Without the pause, PostgreSQL and Redis are each asked at their own time while numbers go on; that is not always seen. The
# check has to be able to fail, so a backup in which it can be seen is looked for, and restored.
@test "without the pause of the writers the check fails" {
	local try found timestamp numbers redis_image most=60
	redis_image=$(docker inspect --format '{{.Image}}' "$(container redis)")
	writer_start plain
	for ((try = 1; try <= most; try++)); do
		wait_until writer_is_past $(($(writer_number) + 5))
		WHISPERBACKUP_TEST_WITHOUT=writer_pause program 0 create --quiet --json
		timestamp=$(jq -r .timestamp <<<"$output")
		read -ra numbers <<<"$(numbers_of "$timestamp")"
		[[ "${numbers[*]}" =~ ^[0-9]+\ [0-9]+\ [0-9]+$ ]] || fail "these are no numbers of $timestamp: ${numbers[*]}"
		is_of_one_moment "${numbers[@]}" || break
		rm -r "$(backup_path "$timestamp")"
	done
	((try <= most)) || fail "$most backups without a pause were all of one moment"
	writer_stop
	program 0 restore "$timestamp" --only postgresql,redis --yes --no-safety-backup --quiet
	# Only these two were restored, so only their chain is of one backup.
	found=$(tests/stack/moment_check.sh) && fail "the check finds no fault with ${numbers[*]}:" "$found"
	assert_json "$found" '[.numbers.quick[]] | join(" ")' "\"${numbers[*]}\""
	assert_json "$found" '[.problems[] | select(startswith("quick: "))] | length > 0' true
}
