#!/usr/bin/env bats
# shellcheck shell=bash disable=SC2030,SC2031,SC2154
# Each command, with its Nth allocation, write, flush, rename, opening or reading failing: it says so, claims nothing that
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
