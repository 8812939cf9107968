#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# A backup folder that others can write to is not worked in, unless one is told to.

load helpers
load cron

setup() {
	enter_project
	unset SUDO_UID WHISPERBACKUP_ALLOW_SHARED_FOLDER
	young=$(days_ago 1)
	make_backup "$young"
	make_backup "$(days_ago 100)"
	chmod 777 "$backups"
}

assert_refused() { # ARGUMENT..: and nothing of the folder is touched
	local before
	before=$(snapshot_of "$backups")
	program 1 "$@"
	assert_contains "$errors" "others can change the backups: everybody can write to $backups"
	assert_contains "$errors" "hint: chmod go-w $backups, or set BACKUP_DIR to another folder"
	assert_contains "$errors" '--allow-shared-folder'
	assert_equal "$(snapshot_of "$backups")" "$before"
}

@test "create does not work in a folder that others can write to" {
	assert_refused create
}

@test "verify does not work in a folder that others can write to" {
	assert_refused verify
}

@test "restore does not work in a folder that others can write to" {
	assert_refused restore latest --yes
}

@test "cleanup does not work in a folder that others can write to" {
	assert_refused cleanup
}

@test "recover does not work in a folder that others can write to" {
	assert_refused recover
}

@test "a scheduled run does not work in a folder that others can write to" {
	assert_refused schedule run
}

@test "list and show look into a folder that others can write to" {
	program 0 list
	program 0 show latest
}

@test "a folder that would be made where others can write is not made" {
	export BACKUP_DIR=$backups/below
	program 1 cleanup
	assert_contains "$errors" "everybody can write to $backups"
	[[ ! -e $BACKUP_DIR ]]
}

@test "list heals nothing by a journal that others may have written" {
	local journal=$backups/.window.json
	jq -n '{format: 1, boot: "another", engine: "unix:///nonexistent.sock", project: "test", containers: []}' >"$journal"
	program 0 list
	[[ -e $journal ]]
}

@test "--allow-shared-folder lets cleanup work there" {
	program 0 cleanup --allow-shared-folder
	assert_equal "$(backup_folders)" "$young"
}

@test "--allow-shared-folder lets every other command go on to what it has to say" {
	program 5 verify --allow-shared-folder
	program 1 create --allow-shared-folder
	assert_contains "$errors" 'Docker not running'
	program 1 restore latest --yes --allow-shared-folder
	assert_contains "$errors" 'Docker not running'
	program 0 recover --allow-shared-folder
	program 1 schedule run --allow-shared-folder
	assert_contains "$(cat "$backups/backup.log")" 'Docker not running'
}

@test "WHISPERBACKUP_ALLOW_SHARED_FOLDER=yes says the same for every command" {
	WHISPERBACKUP_ALLOW_SHARED_FOLDER=yes program 0 cleanup
	assert_equal "$(backup_folders)" "$young"
}

@test "WHISPERBACKUP_ALLOW_SHARED_FOLDER=no is as good as nothing" {
	export WHISPERBACKUP_ALLOW_SHARED_FOLDER=no
	assert_refused cleanup
}

@test "WHISPERBACKUP_ALLOW_SHARED_FOLDER wants yes or no" {
	WHISPERBACKUP_ALLOW_SHARED_FOLDER=perhaps program 2 cleanup
	assert_contains "$errors" 'WHISPERBACKUP_ALLOW_SHARED_FOLDER is "perhaps", but may be yes or no'
}

@test "what stands in .env allows nothing: others may have written it" {
	echo WHISPERBACKUP_ALLOW_SHARED_FOLDER=yes >.env
	assert_refused cleanup
}

@test "a schedule is not installed for a folder that others can write to" {
	need_world
	in_world 0 <<'CODE'
! "$W" schedule install || exit 9
! crontab -l || exit 9
CODE
	assert_contains "$errors" "everybody can write to $backups"
}

@test "a schedule takes --allow-shared-folder along" {
	need_world
	in_world 0 <<'CODE'
"$W" schedule install --allow-shared-folder
crontab -l
! "$W" schedule trigger || exit 9
CODE
	assert_contains "$output" "'WHISPERBACKUP_ALLOW_SHARED_FOLDER=yes' '$WHISPERBACKUP' schedule run 30"
	assert_contains "$(cat "$backups/backup.log")" 'Docker not running'
}

@test "a schedule of root is not installed for a folder of whoever called sudo: cron knows nothing of that" {
	need_world
	chmod 700 "$backups"
	chown 65534 "$project"
	SUDO_UID=65534 program 0 cleanup --dry-run
	SUDO_UID=65534 in_world 0 <<'CODE'
! "$W" schedule install || exit 9
CODE
	assert_contains "$errors" "$project belongs to user "
}

@test "schedule status tells that a run will refuse the folder" {
	need_world
	chmod 700 "$backups"
	in_world 0 <<'CODE'
"$W" schedule install 2>/dev/null
! "$W" schedule status | grep -q 'others can change the backups' || exit 9
chown 65534 backups
SUDO_UID=65534 "$W" schedule status || [ $? -eq 1 ]
CODE
	assert_contains "$output" "others can change the backups: $backups belongs to user "
}

@test "a schedule can be looked at and taken out where others can write to the folder" {
	need_world
	in_world 0 <<'CODE'
"$W" schedule install --allow-shared-folder
"$W" schedule status >/dev/null 2>&1 || [ $? -eq 1 ]
"$W" schedule uninstall
CODE
	assert_contains "$errors" 'automated backups removed'
}
