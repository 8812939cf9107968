#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# verify: what it finds, what it keeps of that, and what list, show and cleanup make of it. No Docker anywhere.

load helpers

setup() {
	enter_project
}

verified() { # [FILTER]: what list --json says of the newest
	"$WHISPERBACKUP" list --json 2>/dev/null | jq -c ".backups[-1].verified | ${1:-.}"
}

@test "a sound backup is good, and the result is kept and shown" {
	make_sound_backup 20240912_143022
	assert_equal "$(verified)" null
	program 0 verify
	assert_contains "$errors" 'postgresql_backup.sql (95) is whole'
	assert_contains "$errors" '20240912_143022 is good: every byte was read'
	assert_equal "$(verified '[.good, .read.good, .drill, (.read.stores | map(.name))]')" \
		'[true,true,null,["postgresql","redis","chromadb","neo4j"]]'
	assert_equal "$(stat -c %a "$folder/verified.json")" 600
	program 0 list
	assert_contains "$output" '✅ verified just now'
	program 0 show latest
	assert_contains "$output" '✅ verified just now'
	(cd "$folder" && sha256sum -c --quiet SHA256SUMS)
	assert_equal "$(find "$backups" -maxdepth 1 -name '.checking*')" ''
}

@test "verify --json is one document with what was found" {
	make_sound_backup 20240912_143022
	program 0 verify latest --json --quiet
	assert_equal "$errors" ''
	assert_json "$output" '[.backups[] | [.timestamp, .status, .verified.good]]' '[["20240912_143022","complete",true]]'
}

@test "a single bit anywhere is found, and stays known" {
	make_sound_backup 20240912_143022
	printf 'REDIS0012\xff\0\0\0\0\0\0\0\0' >"$folder/redis_backup.rdb"
	program 5 verify
	assert_contains "$errors" 'redis_backup.rdb: its content is not what was written (SHA-256 differs)'
	assert_contains "$errors" 'neo4j_backup.tar.gz (' # the others are looked at too
	assert_equal "$(verified '[.good, (.read.stores | map(.good))]')" '[false,[true,false,true,true]]'
	program 0 list
	assert_contains "$output" '❌ verified just now: redis_backup.rdb: its content'
	printf 'REDIS0011\xff\0\0\0\0\0\0\0\0' >"$folder/redis_backup.rdb"
	program 0 verify
	assert_equal "$(verified .good)" true
}

@test "structure is checked, whatever the checksums say" {
	make_sound_backup 20240912_143022
	echo 'no longer there' >"$folder/postgresql_backup.sql"
	note_sums 20240912_143022
	program 5 verify
	assert_contains "$errors" 'postgresql_backup.sql: '
}

# It is neither a command to the terminal nor a line that looks as if it was ours.
@test "a name out of an archive is shown as what it is" {
	make_sound_backup 20240912_143022
	mkdir tree
	tar xzf "$folder/neo4j_backup.tar.gz" -C tree
	tar cf tar -C tree data
	echo evil >evil
	tar rPf tar --transform $'s|^evil|/x\n✅ all is good\033[2J\n   hint: rm -r home|' evil
	gzip <tar >"$folder/neo4j_backup.tar.gz"
	note_sums 20240912_143022
	program 5 verify
	assert_contains "$errors" $'leads out of it: /x\n   | ✅ all is good?[2J\n   |    hint: rm -r home'
	refute_contains "$errors" $'\033'
	program 0 list
	assert_contains "$output" 'leads out of it: /x ✅ all is good?[2J    hint: rm -r home'
}

@test "ChromaDB's database is opened and checked" {
	make_sound_backup 20240912_143022
	head -c 8192 /dev/urandom >"$BATS_TEST_TMPDIR/tree/chroma/chroma/chroma.sqlite3"
	tar -czf "$folder/chromadb_backup.tar.gz" -C "$BATS_TEST_TMPDIR/tree" chroma/chroma
	note_sums 20240912_143022
	program 5 verify
	assert_contains "$errors" 'chromadb_backup.tar.gz: chroma.sqlite3 is damaged'
}

@test "SHA256SUMS, backup_info.txt and the manifest have to agree" {
	make_sound_backup 20240912_143022
	cp -r "$folder" "$BATS_TEST_TMPDIR/sound"
	sed -i '/postgresql/s/^../00/' "$folder/SHA256SUMS"
	program 5 verify
	assert_contains "$errors" 'SHA256SUMS says something else of postgresql_backup.sql than the manifest'
	rm "$folder/SHA256SUMS"
	program 5 verify
	assert_contains "$errors" 'SHA256SUMS is missing'
	cp "$BATS_TEST_TMPDIR/sound/SHA256SUMS" "$folder/"
	echo changed >>"$folder/backup_info.txt"
	program 5 verify
	assert_contains "$errors" 'backup_info.txt is not what was written'
	cp "$BATS_TEST_TMPDIR/sound/backup_info.txt" "$folder/"
	program 0 verify
}

@test "a changed byte of the manifest is damage to list, verify and cleanup, though no field of it matters" {
	make_sound_backup 20240912_143022
	sed -i 's/"host": "here"/"host": "hers"/' "$folder/manifest.json"
	program 0 list
	assert_contains "$output" 'damaged: manifest.json and SHA256SUMS do not agree'
	program 5 verify
	assert_contains "$errors" 'manifest.json and SHA256SUMS do not agree'
	program 0 cleanup 30 # it is the only one, and its stores may be whole
	assert_equal "$(backup_folders)" 20240912_143022
	rm "$folder/manifest.json"
	program 0 verify
}

@test "a backup of an earlier version, without a checksum of its manifest, is good" {
	make_sound_backup 20240912_143022
	sed -i '/ manifest\.json$/d' "$folder/SHA256SUMS"
	program 0 verify
}

@test "a missing file is damage, and its name is said" {
	make_sound_backup 20240912_143022
	rm "$folder/neo4j_backup.tar.gz"
	program 5 verify
	assert_contains "$errors" 'neo4j_backup.tar.gz is missing'
}

@test "without a name the newest is looked at, though it is damaged" {
	make_sound_backup 20240912_143022
	make_damaged_backup 20240913_143022
	program 5 verify
	assert_contains "$errors" '20240913_143022 is damaged'
}

@test "without a name what is dated in the future is passed over, if there is another" {
	make_damaged_backup 20990101_000000
	program 5 verify
	make_sound_backup 20240912_143022
	program 0 verify
	assert_contains "$errors" '20240912_143022 is good'
}

@test "without a name another project's backup is passed over, if there is another" {
	make_sound_backup 20240912_143022
	make_damaged_backup 20240913_143022
	sed -i 's/"project": "project"/"project": "other"/' "$backups/whisperengine_backup_20240913_143022/manifest.json"
	COMPOSE_PROJECT_NAME=project program 0 verify
	assert_contains "$errors" '20240912_143022 is good'
}

@test "--all looks at all, also behind a damaged one" {
	make_sound_backup 20240911_143022
	make_damaged_backup 20240912_143022
	make_sound_backup 20240913_143022
	program 5 verify --all --json
	assert_contains "$errors" '3 backups: 2 good, 1 damaged'
	assert_json "$output" '[.backups[] | .verified.good]' '[true,false,true]'
}

@test "a legacy backup is verified by structure" {
	make_sound_backup 20240912_143022
	rm "$folder"/{manifest.json,SHA256SUMS,backup_info.txt}
	program 0 verify
	assert_equal "$(verified .good)" true
	touch -d yesterday "$folder/redis_backup.rdb"
	assert_equal "$(verified)" null
	printf 'REDIS0011\xfe\0\0\0\0\0\0\0\0' >"$folder/redis_backup.rdb"
	program 5 verify
	assert_contains "$errors" 'redis_backup.rdb: it is cut off'
}

@test "a result beside another manifest counts for nothing" {
	make_sound_backup 20240912_143022
	program 0 verify
	assert_equal "$(verified .good)" true
	sed -i 's/"host": "here"/"host": "there"/' "$folder/manifest.json"
	assert_equal "$(verified)" null
	program 0 list
	refute_contains "$output" verified
}

@test "a result that makes no sense counts for nothing, and is replaced" {
	make_sound_backup 20240912_143022
	for text in '' '[]' '{"format": 1}' '{"format": 2, "backup": "x", "read": {"when": 5}}' 'no JSON'; do
		echo "$text" >"$folder/verified.json"
		assert_equal "$(verified)" null
	done
	echo left >"$folder/verified.json.new"
	program 0 verify
	assert_equal "$(verified .good)" true
	[[ ! -e $folder/verified.json.new ]]
}

@test "two at once: the second says so" {
	make_sound_backup 20240912_143022
	(
		flock 9
		program 4 verify
		assert_contains "$errors" 'another verify is at work'
	) 9>"$backups/.verify.lock"
	mkdir "$backups/.checking-20240912_143022" "$backups/.checking-mine"
	program 0 verify
	assert_equal "$(find "$backups" -maxdepth 1 -name '.checking*' -printf '%f')" .checking-mine
}

@test "usage" {
	program 1 verify
	assert_contains "$errors" 'there are no backups in ./backups'
	program 1 verify --all
	program 2 verify --all latest
	program 2 verify ../../etc
	program 1 verify 20240912_143022
}

@test "cleanup keeps the newest backup that is known to be good" {
	make_sound_backup "$(days_ago 90)"
	program 0 verify
	make_sound_backup "$(days_ago 80)"
	make_sound_backup "$(days_ago 70)"
	program 0 cleanup 30 --json
	assert_contains "$errors" 'the newest complete backup that is known to be good: it stays'
	assert_json "$output" '[(.removed | length), .kept]' '[1,2]'
}
