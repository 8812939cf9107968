#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# cleanup where things go wrong: it is killed, files resist, the clocks are changed. What is listed is whole.

load helpers

setup() {
	enter_project
	for days in 1 31 100; do
		printf -v "age_$days" '%s' "$(days_ago "$days")"
	done
}

assert_left() { # TIMESTAMP..: exactly these backups are left
	assert_equal "$(backup_folders)" "$(printf '%s\n' "$@" | sort)"
}

# A backup of so many files that removing it takes a while.
make_large_backup() { # TIMESTAMP
	make_backup "$1"
	(cd "$backups/whisperengine_backup_$1" && seq -f 'more/%05.0f' 4000 | (mkdir more && xargs touch))
}

@test "a removal that is killed leaves nothing that is listed and not whole" {
	make_backup "$age_1"
	local files left folder pid
	for delay in 0 0 0.001 0.003 0.01 0.03; do
		[[ -d $backups/whisperengine_backup_$age_31 ]] || make_large_backup "$age_31"
		files=$(find "$backups/whisperengine_backup_$age_31" | wc -l)
		"$WHISPERBACKUP" cleanup --quiet &
		pid=$!
		# Until it has begun: the folder is gone, or something in it.
		while [[ $(find "$backups/whisperengine_backup_$age_31" | wc -l) == "$files" ]] && kill -0 "$pid"; do :; done 2>/dev/null
		sleep "$delay"
		kill -9 "$pid" 2>/dev/null || true
		wait "$pid" || true
		program 0 list --json
		for left in $(jq -r '.backups[].timestamp' <<<"$output"); do
			[[ $left == "$age_1" ]] && continue
			folder=$backups/whisperengine_backup_$left
			assert_equal "$(find "$folder" | wc -l)" "$files"
		done
		assert_json "$output" '[.backups[].status] | unique' '["complete"]'
	done
	program 0 cleanup
	assert_equal "$(find "$backups" -mindepth 1 -maxdepth 1 -not -name .lock)" "$backups/whisperengine_backup_$age_1"
}

@test "a cleanup that is told to stop finishes the backup it is at" {
	local signal before pid result
	make_backup "$age_1"
	for signal in INT TERM HUP; do
		make_large_backup "$age_31"
		make_large_backup "$age_100"
		stopped_by "$signal"
		rm -rf "$backups/whisperengine_backup_$age_31"
	done
}

stopped_by() { # SIGNAL
	result=0
	before=$(snapshot_of "$backups/whisperengine_backup_$age_31")
	env --default-signal "$WHISPERBACKUP" cleanup --quiet &
	pid=$!
	while [[ -d $backups/whisperengine_backup_$age_100 ]] && kill -0 "$pid"; do :; done 2>/dev/null
	kill "-$1" "$pid" 2>/dev/null || true
	wait "$pid" || result=$?
	[[ $result == 130 || $result == 0 ]] || fail "exit status $result"
	assert_equal "$(find "$backups" -name '.removing-*')" ''
	[[ ! -e $backups/whisperengine_backup_$age_100 ]] || fail "$age_100 has not been removed"
	if [[ -d $backups/whisperengine_backup_$age_31 ]]; then
		assert_equal "$(snapshot_of "$backups/whisperengine_backup_$age_31")" "$before"
	fi
}

@test "a backup with paths that are too long for the system stays whole" {
	make_backup "$age_1"
	make_backup "$age_31"
	local name files
	name=$(printf 'x%.0s' {1..200})
	(cd "$backups/whisperengine_backup_$age_31" && for _ in {1..25}; do mkdir "$name" && cd -P "./$name"; done)
	files=$(find "$backups/whisperengine_backup_$age_31" | wc -l)
	program 1 cleanup
	assert_contains "$errors" 'File name too long'
	assert_equal "$(find "$backups/whisperengine_backup_$age_31" | wc -l)" "$files"
	assert_equal "$(find "$backups" -name '.removing-*')" ''
}

@test "deep and large folders in a backup are removed with it" {
	make_backup "$age_1"
	make_large_backup "$age_31"
	mkdir -p "$backups/whisperengine_backup_$age_31/$(printf 'folder%.0s/' {1..200})"
	program 0 cleanup
	assert_left "$age_1"
}

# The project in a folder that another user can reach, for tests of what root is allowed to do anyway.
enter_reachable_project() {
	local folder
	folder=$(mktemp -d)
	reachable=$folder
	cp "$WHISPERBACKUP" "$folder/program"
	mv "$project" "$folder/project"
	project=$folder/project
	backups=$project/backups
	cd "$project" || return 1
}

teardown() {
	if [[ -n ${reachable:-} ]]; then
		chmod -R u+rwx "$reachable"
		rm -rf "$reachable"
	fi
}

as_user() { # EXPECTED-EXIT-STATUS ARGUMENT..: the program, never as root
	local user=()
	if ((EUID == 0)); then
		user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
		chown 65534:65534 "$reachable" "$project" "$backups"
	fi
	run_expecting "$1" "${user[@]}" "$reachable/program" "${@:2}"
}

give_to_user() {
	if ((EUID == 0)); then chown -R 65534:65534 "$reachable"; fi
}

@test "read-only folders in a backup are removed with it, also without being root" {
	make_backup "$age_1"
	make_backup "$age_31"
	mkdir -p "$backups/whisperengine_backup_$age_31/a/b/c"
	touch "$backups/whisperengine_backup_$age_31/a/b/c/file"
	enter_reachable_project
	chmod 0500 "$backups/whisperengine_backup_$age_31"/{a/b/c,a}
	chmod 0000 "$backups/whisperengine_backup_$age_31/a/b"
	chmod 0500 "$backups/whisperengine_backup_$age_31"
	give_to_user
	as_user 0 cleanup
	assert_left "$age_1"
	assert_equal "$(find "$backups" -name '.removing-*')" ''
}

@test "read-only folders in a backup are removed with it by root" {
	((EUID == 0)) || skip 'needs root'
	make_backup "$age_1"
	make_backup "$age_31"
	chmod 0000 "$backups/whisperengine_backup_$age_31"
	program 0 cleanup
	assert_left "$age_1"
}

@test "a backup of another user stays whole, is told of, and keeps no other from being removed" {
	((EUID == 0)) || skip 'needs root'
	make_backup "$age_1"
	make_backup "$age_31"
	make_backup "$age_100"
	mkdir "$backups/whisperengine_backup_$age_100/roots"
	enter_reachable_project
	give_to_user
	chown -R 0:0 "$backups/whisperengine_backup_$age_100/roots"
	local before
	before=$(snapshot_of "$backups/whisperengine_backup_$age_100")
	as_user 1 cleanup --json
	assert_left "$age_1" "$age_100"
	assert_equal "$(snapshot_of "$backups/whisperengine_backup_$age_100")" "$before"
	assert_contains "$errors" "cannot remove $backups/whisperengine_backup_$age_100: Operation not permitted, at ./roots"
	assert_contains "$errors" 'hint: '
	assert_contains "$errors" '1 backup could not be removed'
	assert_json "$output" '[.removed, .failed[].timestamp]' "[[\"$age_31\"],\"$age_100\"]"
}

@test "a backup that is protected by chattr stays whole" {
	make_backup "$age_1"
	make_backup "$age_31"
	local file=$backups/whisperengine_backup_$age_31/redis_backup.rdb
	chattr +i "$file" 2>/dev/null || skip 'chattr +i does not work here'
	program 1 cleanup
	chattr -i "$file"
	assert_left "$age_1" "$age_31"
	assert_contains "$errors" "cannot remove $backups/whisperengine_backup_$age_31: Operation not permitted, at ./redis_backup.rdb"
	assert_equal "$(find "$backups" -name '.removing-*')" ''
}

# --- the hour that comes twice ----------------------------------------------------------------------------------------

started() { # TIMESTAMP UTC: what the manifest says
	local manifest=$backups/whisperengine_backup_$1/manifest.json
	jq --arg started "$2" '.started = $started' "$manifest" >"$manifest.new"
	mv "$manifest.new" "$manifest"
}

@test "of two backups in the hour that comes twice, the later one is the newer" {
	export TZ=Europe/Berlin
	make_backup 20241027_024500 # in summer time
	started 20241027_024500 2024-10-27T00:45:00.000Z
	make_backup 20241027_021500 # half an hour later, in winter time
	started 20241027_021500 2024-10-27T01:15:00.000Z
	program 0 list --json
	assert_json "$output" '[.backups[].timestamp]' '["20241027_024500","20241027_021500"]'
	program 0 show latest
	assert_contains "$output" '20241027_021500'
	program 0 cleanup --keep-last 1
	assert_left 20241027_021500
}
