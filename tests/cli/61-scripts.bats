#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# scripts/backup_scheduler.sh and scripts/health_check.sh: the names that users know for "schedule" and "health".

load helpers

setup() {
	enter_project
	mkdir scripts build
	cp "$repository/bot.sh" bot.sh
	cp "$repository/scripts/backup_scheduler.sh" "$repository/scripts/health_check.sh" scripts
	cat >build/whisperbackup <<'EOF'
#!/bin/sh
printf '[%s]' "$WHISPERBACKUP_INVOKED_AS" "$@"
printf ' in %s\n' "$PWD"
exit 3
EOF
	chmod +x build/whisperbackup
	here=$(cd -P "$project" && pwd)
}

@test "backup_scheduler.sh is the program's schedule command, word for word" {
	run_expecting 3 ./scripts/backup_scheduler.sh install '0 */6 * * *' 14 --systemd
	assert_equal "$output" "[./bot.sh backup][schedule][install][0 */6 * * *][14][--systemd] in $here"
}

@test "backup_scheduler.sh alone shows the help of schedules" {
	run_expecting 3 ./scripts/backup_scheduler.sh
	assert_equal "$output" "[./bot.sh backup][schedule][help] in $here"
}

@test "health_check.sh is the program's health command" {
	run_expecting 3 ./scripts/health_check.sh
	assert_equal "$output" "[./bot.sh backup][health] in $here"
	run_expecting 3 ./scripts/health_check.sh --json
	assert_equal "$output" "[./bot.sh backup][health][--json] in $here"
}

@test "the scripts work from another folder, through symbolic links and without bash" {
	local script
	mkdir "$BATS_TEST_TMPDIR/bin"
	for script in backup_scheduler health_check; do
		ln -s "$project/scripts/$script.sh" "$BATS_TEST_TMPDIR/bin/$script"
		ln -s "../bin/$script" "$BATS_TEST_TMPDIR/bin/my-$script"
	done
	cd /
	run_expecting 3 dash "$BATS_TEST_TMPDIR/bin/my-backup_scheduler" status
	assert_equal "$output" "[./bot.sh backup][schedule][status] in $here"
	run_expecting 3 dash "$BATS_TEST_TMPDIR/bin/my-health_check"
	assert_equal "$output" "[./bot.sh backup][health] in $here"
}

@test "installed scripts work on the project of the current folder" {
	mkdir -p "$BATS_TEST_TMPDIR/share" "$BATS_TEST_TMPDIR/tools" deep/below
	mv bot.sh scripts "$BATS_TEST_TMPDIR/share"
	mv build/whisperbackup "$BATS_TEST_TMPDIR/tools/whisperbackup"
	cd deep/below
	PATH=$BATS_TEST_TMPDIR/tools:$PATH run_expecting 3 "$BATS_TEST_TMPDIR/share/scripts/health_check.sh"
	assert_equal "$output" "[whisperbackup][health] in $here"
}

@test "scripts that have lost bot.sh say so" {
	local script
	rm bot.sh
	for script in backup_scheduler health_check; do
		run_expecting 1 "./scripts/$script.sh"
		assert_contains "$errors" "Backup script not found: $project/bot.sh"
		assert_contains "$errors" 'hint: '
	done
}

@test "the scripts reach the real program" {
	ln -sf "$WHISPERBACKUP" build/whisperbackup
	run_expecting 0 ./scripts/backup_scheduler.sh
	assert_contains "$output" 'Usage: ./bot.sh backup schedule'
	run_expecting 1 ./scripts/health_check.sh
	assert_contains "$errors" 'Docker not running'
}
