#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# ./bot.sh backup: the entry that users know, from wherever it is called.

load helpers

setup() {
	enter_project
	cp "$repository/bot.sh" bot.sh
	mkdir build
	ln -s "$WHISPERBACKUP" build/whisperbackup
	make_backup 20240912_143022
}

# A folder with nothing but the tools that bot.sh itself needs.
bare_tools() {
	local tool
	mkdir "$BATS_TEST_TMPDIR/tools"
	for tool in sh readlink dirname cat; do
		ln -s "$(command -v "$tool")" "$BATS_TEST_TMPDIR/tools/$tool"
	done
	echo "$BATS_TEST_TMPDIR/tools"
}

@test "./bot.sh backup list lists" {
	run_expecting 0 ./bot.sh backup list
	assert_contains "$output" 20240912_143022
}

@test "hints and help name ./bot.sh backup" {
	run_expecting 0 ./bot.sh backup list
	assert_contains "$output" 'restore: ./bot.sh backup restore 20240912_143022'
	run_expecting 0 ./bot.sh backup help
	assert_contains "$output" 'Usage: ./bot.sh backup COMMAND'
	run_expecting 2 ./bot.sh backup frobnicate
	assert_contains "$errors" 'hint: ./bot.sh backup help'
}

@test "options, arguments and exit statuses go through" {
	run_expecting 0 ./bot.sh backup show --json 20240912_143022
	assert_json "$output" .timestamp '"20240912_143022"'
	run_expecting 1 ./bot.sh backup show 20240912_143023
	run_expecting 2 ./bot.sh backup show ''
	assert_contains "$errors" '"" is not the timestamp'
}

@test "bot.sh works from another folder" {
	cd /
	run_expecting 0 "$project/bot.sh" backup list
	assert_contains "$output" 20240912_143022
}

@test "bot.sh works through a symbolic link" {
	mkdir "$BATS_TEST_TMPDIR/bin"
	ln -s "$project/bot.sh" "$BATS_TEST_TMPDIR/bin/one"
	ln -s one "$BATS_TEST_TMPDIR/bin/two"
	ln -s ../bin/two "$BATS_TEST_TMPDIR/bin/three"
	cd /
	run_expecting 0 "$BATS_TEST_TMPDIR/bin/three" backup list
	assert_contains "$output" 20240912_143022
}

@test "bot.sh works in a folder with spaces" {
	mv "$project" "$BATS_TEST_TMPDIR/my project"
	cd /
	run_expecting 0 "$BATS_TEST_TMPDIR/my project/bot.sh" backup list
	assert_contains "$output" 20240912_143022
}

@test "bot.sh does not need bash" {
	run_expecting 0 sh ./bot.sh backup list
	assert_contains "$output" 20240912_143022
}

@test "bot.sh uses the installed program if there is no built one" {
	rm build/whisperbackup
	local tools
	tools=$(bare_tools)
	ln -s "$WHISPERBACKUP" "$tools/whisperbackup"
	run_expecting 0 env PATH="$tools" ./bot.sh backup list
	assert_contains "$output" 20240912_143022
}

@test "bot.sh says what to do when the program is missing" {
	rm build/whisperbackup
	local tools
	tools=$(bare_tools)
	run_expecting 1 env PATH="$tools" ./bot.sh backup list
	assert_contains "$errors" 'Backup program not found'
	assert_contains "$errors" 'hint: '
}

@test "bot.sh backup without a command shows the help" {
	run_expecting 0 ./bot.sh backup
	assert_contains "$output" 'Usage: ./bot.sh backup COMMAND'
}

@test "bot.sh alone and bot.sh help show its usage" {
	run_expecting 0 ./bot.sh
	assert_contains "$output" './bot.sh backup create'
	run_expecting 0 ./bot.sh help
	assert_contains "$output" './bot.sh backup create'
}

@test "an unknown word to bot.sh is a usage error" {
	run_expecting 2 ./bot.sh frobnicate
	assert_contains "$errors" Usage
}

@test "bot.sh knows every command that a hint or the guide names" {
	local word missing=''
	for word in start stop restart status logs $(grep -rhoE '\./bot\.sh [a-z]+' "$repository/src" | awk '{ print $2 }' | sort -u); do
		grep -qE "^(.* \| )?$word( \|.*)?\)\$" bot.sh || missing+=" $word"
	done
	assert_equal "$missing" ''
}
