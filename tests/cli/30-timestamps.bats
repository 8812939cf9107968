#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# What names a backup and what does not; and that a damaged one is refused before anything else is looked at.

load helpers

setup() {
	enter_project
	make_backup 20240912_143022
	before=$(snapshot_of "$project")
}

# Nothing in the project folder has changed.
assert_untouched() {
	assert_equal "$(snapshot_of "$project")" "$before"
}

refused() { # WORD: by show and restore, as a usage error that touches nothing
	program 2 show -- "$1"
	assert_contains "$errors" 'is not the timestamp of a backup'
	assert_contains "$errors" 'hint: '
	program 2 restore --yes -- "$1"
	assert_contains "$errors" 'is not the timestamp of a backup'
	assert_untouched
}

@test "a timestamp names a backup" {
	program 0 show 20240912_143022
	assert_contains "$output" 'Backup 20240912_143022'
}

@test "a backup folder's name names a backup" {
	program 0 show whisperengine_backup_20240912_143022
	assert_contains "$output" 'Backup 20240912_143022'
}

@test "a backup folder's name may end with a slash, as the shell completes it" {
	program 0 show whisperengine_backup_20240912_143022/
	assert_contains "$output" 'Backup 20240912_143022'
}

@test "a timestamp of no backup is an error that names it" {
	program 1 show 20240912_143023
	assert_contains "$errors" 'there is no backup 20240912_143023'
	assert_contains "$errors" 'hint: '
	program 1 restore --yes 20240912_143023
	assert_contains "$errors" 'there is no backup 20240912_143023'
	assert_untouched
}

@test "a path is never a timestamp" {
	refused ../../etc
	refused /etc
	refused ./backups/whisperengine_backup_20240912_143022
	refused ../whisperengine_backup_20240912_143022
	refused whisperengine_backup_20240912_143022/../whisperengine_backup_20240912_143022
}

@test "nothing is never a timestamp" {
	refused ''
}

@test "a timestamp of another length is refused" {
	refused 20240912
	refused 20240912_14302
	refused 20240912_1430222
	refused '20240912_143022 '
}

@test "a timestamp of other characters is refused" {
	refused 20240912-143022
	refused 2024O912_143022
	refused '*'
	refused '????????_??????'
	refused LATEST
}

@test "a moment that the calendar does not have is refused" {
	refused 20241332_000000
	refused 20240230_000000
	refused 20240912_250000
	refused 20240912_146000
	refused 00000000_000000
}

@test "a symbolic link is no backup" {
	ln -s "$backups/whisperengine_backup_20240912_143022" "$backups/whisperengine_backup_20240913_000000"
	program 1 show 20240913_000000
	assert_contains "$errors" 'there is no backup 20240913_000000'
}

@test "restore of a damaged backup is refused before Docker is asked" {
	rm "$backups/whisperengine_backup_20240912_143022/redis_backup.rdb"
	before=$(snapshot_of "$project")
	program 5 restore --yes 20240912_143022
	assert_contains "$errors" 'redis_backup.rdb is missing'
	assert_contains "$errors" 'nothing was changed'
	assert_untouched
}

@test "restore of a backup with an unreadable manifest is refused before Docker is asked" {
	echo broken >"$backups/whisperengine_backup_20240912_143022/manifest.json"
	program 5 restore --yes 20240912_143022
	assert_contains "$errors" 'manifest.json'
}

@test "a damaged backup is refused as JSON too" {
	rm "$backups/whisperengine_backup_20240912_143022/redis_backup.rdb"
	program 5 restore --yes --json 20240912_143022
	assert_json "$output" '.error.message | contains("redis_backup.rdb is missing")' true
}
