#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# cleanup: what is removed, and above all what is not. Ages are days away from the limit, never seconds.

load helpers

setup() {
	enter_project
	for days in 1 10 29 31 100; do
		printf -v "age_$days" '%s' "$(days_ago "$days")"
	done
}

assert_left() { # TIMESTAMP..: exactly these backups are left
	assert_equal "$(backup_folders)" "$(printf '%s\n' "$@" | sort)"
}

@test "without a number, backups older than 30 days are removed" {
	make_backup "$age_1"
	make_backup "$age_29"
	make_backup "$age_31"
	make_backup "$age_100"
	program 0 cleanup
	assert_left "$age_1" "$age_29"
}

@test "what was removed and how much that freed is said" {
	make_backup "$age_1"
	make_backup "$age_31"
	head -c 2M /dev/zero >"$backups/whisperengine_backup_$age_31/more"
	program 0 cleanup
	assert_equal "$output" ''
	assert_contains "$errors" "removed $age_31 (2.0M)"
	assert_contains "$errors" '1 backup older than 30 days removed, 2.0M freed, 1 kept'
}

@test "a number of days is the limit" {
	make_backup "$age_1"
	make_backup "$age_10"
	make_backup "$age_29"
	program 0 cleanup 7
	assert_left "$age_1"
}

@test "nothing to remove is no error" {
	make_backup "$age_1"
	program 0 cleanup
	assert_contains "$errors" '0 backups older than 30 days removed'
	assert_left "$age_1"
}

@test "no backup folder is no error" {
	program 0 cleanup
	assert_contains "$errors" '0 backups'
}

@test "what is kept for each day goes by when backups were made, in whatever zone they got their names" {
	local day timestamp manifest
	for day in 1 2 3 4; do # at 2 o'clock in UTC, and at 20 o'clock in a zone that is seven hours behind
		for timestamp in "2024010${day}_020000 2024-01-0${day}T02:00:00Z" "2024010${day}_200000 2024-01-0$((day + 1))T03:00:00Z"; do
			make_backup "${timestamp% *}"
			manifest=$backups/whisperengine_backup_${timestamp% *}/manifest.json
			jq --arg started "${timestamp#* }" '.started = $started' "$manifest" >"$BATS_TEST_TMPDIR/manifest"
			cp "$BATS_TEST_TMPDIR/manifest" "$manifest"
		done
	done
	TZ=PDT7 program 0 cleanup --keep-daily 3
	assert_left 20240102_200000 20240103_200000 20240104_200000
}

@test "zero days removes all but the newest good backup" {
	make_backup "$age_1"
	make_backup "$age_10"
	make_backup "$age_31"
	program 0 cleanup 0
	assert_left "$age_1"
	assert_contains "$errors" "$age_1 is older, but the newest complete backup: it stays"
}

@test "the newest good backup stays however old it is" {
	make_backup "$age_31"
	make_backup "$age_100"
	program 0 cleanup 7
	assert_left "$age_31"
}

@test "a damaged backup is never taken for the good one" {
	make_damaged_backup "$age_29"
	make_damaged_backup "$age_31"
	make_backup "$age_100"
	program 0 cleanup 20
	assert_left "$age_100"
}

# The same size, another content.
flip_a_bit() { # TIMESTAMP FILE
	printf T | dd of="$backups/whisperengine_backup_$1/$2" bs=1 conv=notrunc status=none
}

@test "a backup whose content is not what was written is never taken for the good one" {
	make_backup "$age_1"
	make_backup "$age_29"
	make_backup "$age_31"
	make_backup "$age_100"
	flip_a_bit "$age_1" redis_backup.rdb
	flip_a_bit "$age_29" neo4j_backup.tar.gz
	program 0 cleanup 30 --dry-run
	assert_contains "$errors" "$age_1 is damaged: redis_backup.rdb is not what was written"
	assert_contains "$errors" "would remove $age_100"
	refute_contains "$errors" "would remove $age_31"
	program 0 cleanup 30
	assert_contains "$errors" "$age_29 is damaged: neo4j_backup.tar.gz is not what was written"
	assert_contains "$errors" "$age_31 is older, but the newest complete backup: it stays"
	assert_left "$age_1" "$age_29" "$age_31"
	refute_contains "$errors" "$age_100 is"
}

@test "what the newest good backup holds is only read if another one goes for it" {
	make_backup "$age_1"
	make_backup "$age_10"
	flip_a_bit "$age_1" redis_backup.rdb
	program 0 cleanup
	refute_contains "$errors" damaged
	assert_left "$age_1" "$age_10"
}

@test "a backup younger than the limit stays even if it is damaged" {
	make_damaged_backup "$age_1"
	make_backup "$age_10"
	program 0 cleanup 7
	assert_left "$age_1" "$age_10"
}

@test "with only damaged backups, the old ones are removed" {
	make_damaged_backup "$age_1"
	make_damaged_backup "$age_31"
	program 0 cleanup
	assert_left "$age_1"
}

@test "what verify has found bad is never taken for the good one" {
	make_sound_backup "$age_100"
	make_sound_backup "$age_31"
	printf REDIS >"$backups/whisperengine_backup_$age_31/redis_backup.rdb"
	note_sums "$age_31"
	program 5 verify "$age_31" --quiet
	program 0 cleanup
	assert_left "$age_100"
}

@test "the last backup stays even if its manifest makes no sense" {
	make_backup "$age_31"
	printf X | dd of="$backups/whisperengine_backup_$age_31/manifest.json" bs=1 conv=notrunc status=none
	program 0 cleanup
	assert_left "$age_31"
	assert_contains "$errors" "$age_31 is older, but though damaged, all that is left of postgresql, redis, chromadb, neo4j: it stays"
}

@test "backups of a later format stay" {
	local timestamp manifest
	for timestamp in "$age_31" "$age_100"; do
		make_backup "$timestamp"
		manifest=$backups/whisperengine_backup_$timestamp/manifest.json
		sed -i 's/"format": 1/"format": 2/' "$manifest"
	done
	make_backup "$age_1"
	program 0 cleanup
	assert_left "$age_1" "$age_31" "$age_100"
}

@test "another project's backups are no reason for ours to go" {
	make_backup "$age_100"
	make_backup "$age_31"
	make_backup "$age_1"
	sed -i 's/"project": "project"/"project": "other"/' "$backups/whisperengine_backup_$age_1/manifest.json"
	program 0 cleanup
	assert_left "$age_1" "$age_31"
	assert_contains "$errors" "$age_31 is older, but the newest complete backup, of the project project: it stays"
}

@test "legacy backups in a form of their own are kept by the rules" {
	local day
	for day in 1 10 29 31 100; do
		make_legacy_backup "$(days_ago "$day")"
	done
	program 0 cleanup --keep-daily 3
	assert_equal "$(backup_folders | wc -l)" 3
	assert_contains "$errors" 'is not of the form that a restore takes: postgresql_backup.sql: '
}

@test "a legacy backup is looked through before others go for it" {
	local store
	for store in "$age_100" "$age_31"; do
		make_sound_backup "$store"
		rm "$backups/whisperengine_backup_$store"/{manifest.json,SHA256SUMS}
	done
	for store in postgresql redis chromadb neo4j; do
		truncate -s 10 "$backups/whisperengine_backup_$age_31/$(artefact_of "$store")"
	done
	program 0 cleanup
	assert_contains "$errors" "$age_31 is not of the form that a restore takes"
	assert_left "$age_100"
}

@test "a newer partial backup does not make the last complete one removable" {
	make_backup "$age_31" redis
	make_backup "$age_100"
	program 0 cleanup
	[[ -d $backups/whisperengine_backup_$age_100 ]] || fail "$errors"
}

@test "of partial backups alone, the newest stays" {
	make_backup "$age_31" redis
	make_backup "$age_100" redis
	program 0 cleanup
	assert_left "$age_31"
}

@test "of no store the last good copy is removed" {
	make_damaged_backup "$age_1"
	make_backup "$age_29" redis
	make_backup "$age_31" postgresql
	make_backup "$age_100" postgresql
	program 0 cleanup 20
	assert_left "$age_1" "$age_29" "$age_31"
}

@test "legacy backups are removed by the same rule" {
	make_backup "$age_1"
	make_legacy_backup "$age_10"
	make_legacy_backup "$age_31"
	program 0 cleanup
	assert_left "$age_1" "$age_10"
}

@test "of legacy backups alone, the newest stays" {
	make_legacy_backup "$age_31"
	make_legacy_backup "$age_100"
	program 0 cleanup
	assert_left "$age_31"
}

@test "what is not a backup is never touched" {
	make_backup "$age_1"
	make_backup "$age_100"
	mkdir -p "$backups/whisperengine_backup_old" "$backups/20200101_000000" "$backups/other/whisperengine_backup_20200101_000000" \
		"$backups/whisperengine_backup_20200101_000000" "$backups/whisperengine_backup_20200101_000000.bak" "$project/elsewhere"
	touch "$backups/whisperengine_backup_20200102_000000" "$backups/whisperengine_backup_20200101_000000/notes.txt" \
		"$backups/whisperengine_backup_20200101_000000.bak/redis_backup.rdb"
	touch -d '10 years ago' "$backups/whisperengine_backup_20200102_000000" "$backups/other"
	make_backup 20200104_000000
	mv "$backups/whisperengine_backup_20200104_000000" "$project/elsewhere/"
	ln -s "$project/elsewhere/whisperengine_backup_20200104_000000" "$backups/whisperengine_backup_20200104_000000"
	local foreign
	foreign=$(cd "$project" && find . -not -path "*$age_100*" -not -path ./backups -not -name .lock | sort)
	program 0 cleanup 0
	assert_equal "$(cd "$project" && find . -not -path ./backups -not -name .lock | sort)" "$foreign"
}

@test "a symbolic link inside a backup is removed, not what it leads to" {
	make_backup "$age_1"
	make_backup "$age_31"
	mkdir "$project/elsewhere"
	echo mine >"$project/elsewhere/file"
	ln -s "$project/elsewhere" "$backups/whisperengine_backup_$age_31/link"
	program 0 cleanup
	assert_left "$age_1"
	assert_equal "$(cat "$project/elsewhere/file")" mine
}

@test "bad numbers are usage errors and remove nothing" {
	make_backup "$age_1"
	make_backup "$age_100"
	for days in yesterday -1 1.5 7d '' ' 7' 99999 999999999999999999999 0x10; do
		program 2 cleanup -- "$days"
		assert_contains "$errors" 'is not a number of days'
		assert_contains "$errors" 'hint: '
	done
	assert_left "$age_1" "$age_100"
}

@test "--json tells what was removed" {
	make_backup "$age_1"
	make_backup "$age_31"
	make_backup "$age_100"
	local size
	size=$(find "$backups/whisperengine_backup_$age_31" "$backups/whisperengine_backup_$age_100" -type f -printf '%s\n' |
		awk '{ n += $1 } END { print n }')
	program 0 cleanup --json
	assert_json "$output" . "$(jq -nc --arg one "$age_1" --arg other "$age_31" --arg oldest "$age_100" --argjson size "$size" \
		'{removed: [$oldest, $other], freed_bytes: $size, kept: 1, kept_backups: [{timestamp: $one, why: "younger than 30 days"}],
		failed: [], dry_run: false}')"
}

@test "--json with nothing to remove is an empty list" {
	make_backup "$age_1"
	program 0 cleanup --json
	assert_json "$output" "[.removed, .freed_bytes, .kept]" "[[],0,1]"
}

@test "--quiet says nothing about what went well" {
	make_backup "$age_1"
	make_backup "$age_31"
	program 0 cleanup --quiet
	assert_equal "$output$errors" ''
}

@test "with all standard streams closed it does its work all the same" {
	make_backup "$(days_ago 1)"
	make_backup "$(days_ago 40)"
	run_expecting 0 sh -c 'exec "$@" <&- >&- 2>&-' sh "$WHISPERBACKUP" cleanup
	program 0 list --json
	assert_json "$output" '[.backups[].status]' '["complete"]'
}

@test "what a killed run has left is removed" {
	make_backup "$age_1"
	mkdir "$backups/.partial-$age_10" "$backups/.removing-$age_31"
	echo data >"$backups/.partial-$age_10/redis_backup.rdb"
	echo data >"$backups/.removing-$age_31/redis_backup.rdb"
	program 0 cleanup
	assert_equal "$(find "$backups" -name '.partial-*' -o -name '.removing-*')" ''
}

@test "while another run holds the lock, nothing is removed" {
	make_backup "$age_1"
	make_backup "$age_100"
	exec 9>"$backups/.lock"
	flock 9
	program 4 cleanup 0
	assert_contains "$errors" 'another backup, restore or cleanup is at work'
	assert_contains "$errors" 'hint: '
	assert_left "$age_1" "$age_100"
}

@test "a lock file that nobody holds is no hindrance" {
	make_backup "$age_1"
	touch "$backups/.lock"
	program 0 cleanup
}

# --- by number, day, week and month -----------------------------------------------------------------------------------

@test "--keep-last keeps the newest ones however old they are" {
	make_backup 20200101_000000
	make_backup 20200102_000000
	make_backup 20200103_000000
	program 0 cleanup --keep-last 2
	assert_left 20200102_000000 20200103_000000
	assert_contains "$errors" '1 backup removed, '
	assert_contains "$errors" ' freed, 2 kept'
}

@test "--keep-daily keeps the newest of each of the last days that have a backup" {
	make_backup 20200101_120000
	make_backup 20200105_080000
	make_backup 20200105_120000
	make_backup 20200107_120000
	program 0 cleanup --keep-daily=2
	assert_left 20200105_120000 20200107_120000
}

@test "--keep-weekly keeps the newest of each week, from Monday to Sunday" {
	make_backup 20191229_120000 # Sunday
	make_backup 20191230_120000 # Monday
	make_backup 20200105_120000 # Sunday
	make_backup 20200106_120000 # Monday
	program 0 cleanup --keep-weekly 3
	assert_left 20191229_120000 20200105_120000 20200106_120000
}

@test "--keep-monthly keeps the newest of each month" {
	make_backup 20190131_120000
	make_backup 20200131_120000
	make_backup 20200228_120000
	make_backup 20200229_120000
	program 0 cleanup --keep-monthly 2
	assert_left 20200131_120000 20200229_120000
}

@test "what one rule keeps, no other removes" {
	make_backup 20200131_120000
	make_backup 20200215_120000
	make_backup 20200228_120000
	make_backup 20200229_100000
	make_backup 20200229_110000
	program 0 cleanup --keep-last 1 --keep-daily 2 --keep-monthly 2
	assert_left 20200131_120000 20200228_120000 20200229_110000
}

@test "with DAYS and a rule, both keep" {
	make_backup "$age_1"
	make_backup "$age_10"
	make_backup "$age_31"
	make_backup 20200103_000000
	program 0 cleanup 20 --keep-last 1
	assert_left "$age_1" "$age_10"
}

@test "with a rule alone, age keeps nothing" {
	make_backup "$age_1"
	make_backup "$age_10"
	program 0 cleanup --keep-last 1
	assert_left "$age_1"
}

@test "a night without a store takes no complete backup's place" {
	make_backup 20200101_000000
	make_backup 20200102_000000
	make_backup 20200103_000000 postgresql redis chromadb
	program 0 cleanup --keep-last 2
	assert_left 20200101_000000 20200102_000000 20200103_000000
}

@test "damaged backups take no place and are removed" {
	make_backup 20200101_000000
	make_backup 20200102_000000
	make_damaged_backup 20200103_000000
	program 0 cleanup --keep-last 2 --keep-daily 2 --keep-weekly 2 --keep-monthly 2
	assert_left 20200101_000000 20200102_000000
}

@test "a legacy backup takes no checked one's place" {
	make_backup 20200101_000000
	make_legacy_backup 20200102_000000
	program 0 cleanup --keep-last 1
	assert_left 20200101_000000 20200102_000000
}

@test "what no rule keeps but is the last of its kind stays with a warning" {
	make_backup 20200101_000000
	make_damaged_backup "$age_1"
	program 0 cleanup --keep-last 1 --quiet
	assert_left 20200101_000000
	make_backup 20200102_000000 redis
	program 0 cleanup 7 --quiet
	assert_left 20200101_000000 20200102_000000
	assert_contains "$errors" '20200101_000000 is older, but the newest complete backup: it stays'
	assert_contains "$errors" '20200102_000000 is older, but the newest good backup of redis: it stays'
}

@test "a backup dated in the future stays, and does not make the newest real one removable" {
	make_backup "$age_31"
	make_backup 20990101_000000
	program 0 cleanup 7
	assert_left "$age_31" 20990101_000000
	assert_contains "$errors" '20990101_000000 is dated in the future: it stays'
	program 0 cleanup --keep-last 1
	assert_left "$age_31" 20990101_000000
}

@test "bad numbers of backups are usage errors and remove nothing" {
	make_backup "$age_1"
	make_backup "$age_100"
	for rule in last daily weekly monthly; do
		for number in 0 -1 1.5 all '' ' 7' 36501 999999999999999999999 0x10; do
			program 2 cleanup "--keep-$rule=$number"
			assert_contains "$errors" "--keep-$rule wants a number of backups, not \"$number\""
			assert_contains "$errors" 'hint: give a whole number from 1 to 36500'
		done
	done
	assert_left "$age_1" "$age_100"
}

@test "the help explains what the rules keep" {
	program 0 cleanup --help
	for part in '--keep-last N' '--keep-daily N' '--keep-weekly N' '--keep-monthly N' '--dry-run' 'newest complete backup'; do
		assert_contains "$output" "$part"
	done
}

# --- without doing it -------------------------------------------------------------------------------------------------

@test "--dry-run says what would go and why the others stay, and changes nothing" {
	make_backup "$age_1"
	make_backup "$age_31"
	make_backup "$age_100" redis
	make_damaged_backup 20200101_000000
	head -c 2M /dev/zero >"$backups/whisperengine_backup_$age_31/more"
	mkdir "$backups/.partial-20200102_000000"
	local before
	before=$(snapshot_of "$project")
	program 0 cleanup --dry-run
	assert_equal "$(snapshot_of "$project")" "$before"
	assert_equal "$output" ''
	assert_contains "$errors" "keeps $age_1 ("
	assert_contains "$errors" '): younger than 30 days'
	assert_contains "$errors" "would remove $age_31 (2.0M): older than 30 days"
	assert_contains "$errors" "would remove 20200101_000000 ("
	assert_contains "$errors" '): damaged, and older than 30 days'
	assert_contains "$errors" '3 backups older than 30 days would be removed, 2.0M freed, 1 kept; nothing was changed'
}

@test "--dry-run makes no backup folder" {
	program 0 cleanup --dry-run
	assert_contains "$errors" '0 backups'
	[[ ! -e $backups ]] || fail "there is $backups"
}

@test "--dry-run does not wait for who is at work" {
	make_backup "$age_1"
	make_backup "$age_100"
	exec 9>"$backups/.lock"
	flock 9
	program 0 cleanup --dry-run
	assert_contains "$errors" "would remove $age_100"
}

@test "what --dry-run says is what happens, whatever the backups and the rules" {
	local kinds=(make_backup make_backup make_legacy_backup make_damaged_backup partial) rule rules promised
	partial() { make_backup "$1" postgresql redis; }
	RANDOM=20240912
	for _ in {1..3}; do
		rm -rf "$backups"
		for number in {1..12}; do
			"${kinds[RANDOM % 5]}" "2020$(printf '%02d%02d_%02d0000' $((1 + RANDOM % 4)) $((1 + RANDOM % 28)) "$number")"
		done
		rules=()
		for rule in last daily weekly monthly; do
			if ((RANDOM % 2)); then rules+=("--keep-$rule" $((1 + RANDOM % 4))); fi
		done
		program 0 cleanup --dry-run --json "${rules[@]}"
		promised=$output
		program 0 cleanup --json "${rules[@]}"
		assert_equal "$(jq -S '.dry_run = true' <<<"$output")" "$(jq -S . <<<"$promised")"
		assert_left "$(jq -r '.kept_backups[].timestamp' <<<"$promised")"
	done
}
