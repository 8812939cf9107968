#!/usr/bin/env bats
# shellcheck shell=bash disable=SC2030,SC2031,SC2154
# Each command, with its Nth allocation, write, flush, rename, opening, reading or look failing, or its Nth process: it says so, claims nothing that
# it has not done, loses nothing, leaks nothing, and does its work when it is called again.

load helpers
load cron
load faults

setup() {
	enter_project
	find_faults
	export BACKUP_DIR=$backups
}

# Three backups, of which "cleanup" removes the oldest; the one in the middle is known to be good.
make_three_backups() {
	local timestamp
	for timestamp in 20240910_143022 20240911_143022 20240912_143022; do
		make_sound_backup "$timestamp"
	done
	"$WHISPERBACKUP" verify 20240911_143022 2>/dev/null
	sed -i 's/"when": "20..-/"when": "2024-/' "$backups/whisperengine_backup_20240911_143022/verified.json"
	rm -f "$backups/.verify.lock"
	keep_pristine
}

@test "list shows all, or fails, whatever call fails" {
	make_three_backups
	each_fault list
}

@test "list --json shows all, or fails, whatever call fails" {
	make_three_backups
	each_fault list --json
}

@test "show shows all, or fails, whatever call fails" {
	make_three_backups
	each_fault show 20240911_143022
}

@test "verify says nothing false, whatever call fails" {
	make_sound_backup 20240912_143022
	keep_pristine
	each_fault verify
}

# The database of the second has pages to read; its drill was bad, which reading its bytes does not mend.
make_verified_backups() {
	make_sound_backup 20240911_143022
	make_sound_backup 20240912_143022
	sqlite3 "$BATS_TEST_TMPDIR/tree/chroma/chroma/chroma.sqlite3" \
		'CREATE TABLE words (word); CREATE INDEX by_word ON words (word); INSERT INTO words VALUES (hex(randomblob(20000)))'
	tar -czf "$folder/chromadb_backup.tar.gz" -C "$BATS_TEST_TMPDIR/tree" chroma/chroma
	note_sums 20240912_143022
	"$WHISPERBACKUP" verify --all 2>/dev/null
	local note
	note=$(jq '.good = false | .drill = {when: .read.when, good: false, seconds: 1, problem: "Redis: it does not start", stores: []}' \
		"$folder/verified.json")
	echo "$note" >"$folder/verified.json"
	rm -f "$backups/.verify.lock"
	keep_pristine
}

@test "verify makes no good backup bad and forgets no drill that was bad, whatever call fails" {
	make_verified_backups
	assert_equal "$(verdicts)" $'20240911_143022 [true,true,null]\n20240912_143022 [false,true,false]'
	# shellcheck disable=SC2034 # faults.bash reads them
	kinds=(read look open) with_memory=no # the others are above, with one backup
	each_fault verify --all
}

@test "after a verify that could not read it, cleanup keeps the newest backup that is known to be good" {
	local n times=0 before
	make_three_backups
	before=$(sha256sum "$backups/whisperengine_backup_20240911_143022/verified.json")
	for ((n = 1; ; n++)); do
		faulty "read:$n" verify 20240911_143022
		[[ -e $note ]] || break
		[[ $exit_status == 5 ]] || { bring_back && continue; }
		grep -q '20240911_143022 could not be read: .*Input/output error' "$BATS_TEST_TMPDIR/err" || fail "$(<"$BATS_TEST_TMPDIR/err")"
		[[ $(sha256sum "$backups/whisperengine_backup_20240911_143022/verified.json") == "$before" ]] || fail "read:$n: it is noted as damaged"
		faulty '' cleanup 30
		assert_contains "$(<"$BATS_TEST_TMPDIR/err")" '20240911_143022 is older, but the newest complete backup that is known to be good: it stays'
		bring_back
		times=$((times + 1))
	done
	((times > 3)) || fail "only $times reads failed"
}

@test "cleanup removes what may go and nothing else, whatever call fails" {
	make_three_backups
	each_fault cleanup 30
}

@test "schedule status tells what it is asked, or fails, whatever call fails" {
	mkdir "$backups"
	echo '{"started": 1726151422, "finished": 1726151425, "process": 1, "exit_code": 0, "summary": "done"}' \
		>"$backups/.last_run.json"
	keep_pristine
	each_fault schedule status
}

@test "a scheduled run never says that it went well when it did not, whatever call fails" {
	make_three_backups
	state() { # its log and its note hold the time
		(cd "$backups" && find . -path './whisper*' -type f -print0 | sort -z | xargs -0r sha256sum &&
			find . -maxdepth 1 ! -name '*.new' | sort && { jq -c '[.exit_code, .summary]' .last_run.json 2>/dev/null || true; })
	}
	each_fault schedule run
}
