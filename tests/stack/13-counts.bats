#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# What the servers held at the moment: the manifest counts what they count themselves. And Redis' file is the one of the
# moment, although Redis saves again and again.

load helpers

setup_file() {
	stack_up
	seed redis chromadb neo4j
	keep_output create "$WHISPERBACKUP" create --only redis,chromadb,neo4j
	keep_output manifest cat "$(backup_path)/manifest.json"
}

teardown() {
	end_program
	if [[ -z ${BATS_TEST_COMPLETED:-} && $BATS_TEST_DESCRIPTION == *password* ]]; then wait_until old_password_is_back; fi
	rm -rf "$BACKUP_DIR"
}

teardown_file() {
	redis_run CONFIG SET save '3600 1 300 100 60 10000'
	redis_run CONFIG SET rdb-key-save-delay 0
	redis_run DEL sample:moment
	neo4j_run 'MATCH (n:Newcomer) DETACH DELETE n' >/dev/null
}

counts_of() { # STORE: its fingerprint in setup_file's backup
	kept manifest.out | jq -cS --arg name "$1" '.stores[] | select(.name == $name) | [.fingerprint, .fingerprint_exact]'
}

# --- counts -----------------------------------------------------------------------------------------------------------

@test "the backup that is looked at here was made" {
	assert_equal "$(kept create.status)" 0
}

@test "keys are those that Redis counts" {
	local expected
	expected=$(redis_run INFO keyspace | jq -RncS '[inputs | capture("^(?<name>db[0-9]+):keys=(?<keys>[0-9]+),expires=(?<expires>[0-9]+)")]
		| [{keys: map({(.name): (.keys | tonumber)}) | add, "expiring keys": map({(.name): (.expires | tonumber)}) | add}, true]')
	assert_contains "$expected" '"db15":5'
	assert_equal "$(counts_of redis)" "$expected"
}

collections_in() { # TENANT DATABASE PREFIX: {"PREFIXname": count}, as Chroma says
	local base=http://127.0.0.1:$CHROMADB_PORT/api/v2/tenants/$1/databases/$2/collections id name
	curl --silent --show-error --fail --noproxy '*' "$base?limit=1000" | jq -r '.[] | .id + " " + .name' |
		while read -r id name; do
			curl --silent --show-error --fail --noproxy '*' "$base/$id/count" | jq -c --arg name "$3$name" '{($name): .}'
		done
}

@test "records are those that Chroma counts, also in other databases and tenants" {
	local expected
	expected=$({
		collections_in default_tenant default_database ''
		collections_in default_tenant sample_db default_tenant/sample_db/
		collections_in sample_tenant sample_db sample_tenant/sample_db/
	} | jq -scS '[{records: add}, true]')
	assert_contains "$expected" '"sample_facts":2100'
	assert_equal "$(counts_of chromadb)" "$expected"
}

@test "nodes and relationships are those that Neo4j counts, with each label and type" {
	local expected
	expected=$(jq -cnS --argjson nodes "$(neo4j_run 'MATCH (n) RETURN count(n)')" \
		--argjson relationships "$(neo4j_run 'MATCH ()-[r]->() RETURN count(r)')" \
		--argjson labels "$(neo4j_run 'MATCH (n) UNWIND labels(n) AS l RETURN l, count(*)')" \
		--argjson types "$(neo4j_run 'MATCH ()-[r]->() RETURN type(r), count(*)')" \
		'def named: map({(.[0]): .[1]}) | add;
		[{nodes: {"": $nodes[0][0]}, relationships: {"": $relationships[0][0]},
		"nodes by label": ($labels | named), "relationships by type": ($types | named)}, true]')
	# shellcheck disable=SC2016 # backticks of a name
	assert_contains "$expected" '`ticks`'
	assert_equal "$(counts_of neo4j)" "$expected"
}

@test "nothing that was needed for counting is left in the backup" {
	program 0 create --only chromadb
	assert_equal "$(find "$(backup_path)" -mindepth 1 -printf '%f\n' | sort | tr '\n' ' ')" \
		'SHA256SUMS backup_info.txt chromadb_backup.tar.gz manifest.json '
	assert_nothing_partial
}

@test "records that still wait in Chroma's queue are counted" {
	local id i counted
	id=$(chroma_post '' '{"name": "sample_queue"}' | jq -er .id)
	for i in 1 2 3 4 5 6; do
		chroma_post "/$id/add" "$(jq -cn --arg i "$i" '{ids: [range(40) | "\($i)-\(.)"], embeddings: [range(40) | [., 1, 2]]}')" >/dev/null
		chroma_post "/$id/delete" "$(jq -cn --arg i "$i" '{ids: [range(7) | "\($i)-\(.)"]}')" >/dev/null
		chroma_post "/$id/upsert" "$(jq -cn --arg i "$i" '{ids: [range(5; 10) | "\($i)-\(.)"], embeddings: [range(5) | [., 1, 2]]}')" >/dev/null
	done
	program 0 create --only chromadb
	counted=$(jq '.stores[] | select(.name == "chromadb").fingerprint.records.sample_queue' "$(backup_path)/manifest.json")
	assert_equal "$counted $(chroma_get "/$id/count")" '210 210'
	curl --silent --fail --noproxy '*' --request DELETE "$(chroma_url)/sample_queue"
}

old_password() {
	local auth=${NEO4J_AUTH:-neo4j/whisperengine}
	echo "${auth#*/}"
}

change_password() { # FROM TO
	curl --silent --fail --noproxy '*' --user "neo4j:$1" -H 'Content-Type: application/json' \
		"http://127.0.0.1:$NEO4J_HTTP_PORT/db/system/query/v2" \
		-d "{\"statement\": \"ALTER CURRENT USER SET PASSWORD FROM '$1' TO '$2'\"}" >/dev/null
}

old_password_is_back() {
	neo4j_run 'RETURN 1' >/dev/null 2>&1 || change_password another-password "$(old_password)"
}

@test "a Neo4j whose password has been changed is backed up without counts" {
	local old
	old=$(old_password)
	wait_until change_password "$old" another-password
	program 0 create --only neo4j
	wait_until change_password another-password "$old"
	assert_contains "$errors" "Neo4j's nodes and relationships are not counted: it refuses the name and password"
	assert_json "$(cat "$(backup_path)/manifest.json")" '.stores[] | select(.name == "neo4j") | .status, .fingerprint' \
		$'"ok"\nnull'
}

copying_has_begun() { # of Neo4j; its labels and types have been looked up by then
	compgen -G "$BACKUP_DIR/.partial-*/neo4j_backup.tar.gz" >/dev/null
}

@test "a label and a type that are new since the copying began are counted, and come back" {
	start_program create --only neo4j
	hold_soon_after copying_has_begun
	neo4j_run 'CREATE (:Newcomer)-[:HAS_COME]->(:Newcomer)' >/dev/null
	let_go
	ends_with 0
	assert_json "$(cat "$(backup_path)/manifest.json")" \
		'.stores[] | select(.name == "neo4j") | [.fingerprint["nodes by label"].Newcomer,
		.fingerprint["relationships by type"].HAS_COME, .fingerprint_exact]' '[2,1,true]'
	program 0 restore latest --only neo4j --yes --no-safety-backup
}

# --- the file of the moment -------------------------------------------------------------------------------------------

saves() { # how many saves Redis has begun
	redis_run INFO persistence | tr -d '\r' | sed -n 's/^rdb_saves://p'
}

save_number() { # NUMBER: that one has begun
	[[ $(saves) -ge $1 ]]
}

writes_until_save_number() { # NUMBER
	redis_run INCR sample:moment:number >/dev/null
	save_number "$1"
}

save_is_open() { # NUMBER: that one has begun, and the program has its file open, which has another name once it is whole
	save_number "$1" && [[ -n $(find "/proc/$running/fd" -lname '*/temp-*.rdb' 2>/dev/null) ]]
}

# Holds the program in the middle of its own save, which shows "before", until Redis has saved "after" several times.
hold_through_other_saves() { # COMMAND: that is when it is held, given the number of the save
	local first
	redis_run CONFIG SET save ''
	redis_run CONFIG SET rdb-key-save-delay 1000
	redis_run SET sample:moment 'value before'
	first=$(saves)
	start_program create --only redis
	hold_soon_after "$1" $((first + 1))
	redis_run SET sample:moment 'value after'
	redis_run CONFIG SET rdb-key-save-delay 0
	redis_run CONFIG SET save '1 1'
	wait_until writes_until_save_number $((first + 4))
	let_go
}

@test "Redis' own saves do not take the place of the one of the moment" {
	hold_through_other_saves save_is_open
	ends_with 0
	grep -aq 'value before' "$(backup_path)/redis_backup.rdb"
	run grep -ac 'value after' "$(backup_path)/redis_backup.rdb"
	assert_equal "$output" 0
}

@test "through the engine a save that was replaced is a failure, and not another moment" {
	export WHISPERBACKUP_VOLUME_ACCESS=api
	hold_through_other_saves save_number
	ends_with 1
	assert_contains "$errors" "Redis's next save replaced the file of this backup before it could be copied"
	assert_nothing_partial
}

@test "Redis that saves all the time is backed up" {
	local access
	redis_run CONFIG SET save '1 1'
	redis_run CONFIG SET rdb-key-save-delay 200
	for access in direct api direct; do
		redis_run INCR sample:moment:number
		WHISPERBACKUP_VOLUME_ACCESS=$access program 0 create --only redis
	done
	redis_run DEL sample:moment:number
}

# --- a save that is ended, and a dump that is emptied ------------------------------------------------------------------

# Holds the program while its own save goes on slowly.
hold_in_slow_save() { # COMMAND: that is when it is held, given the number of the save
	local first
	rm -rf "$BACKUP_DIR"
	redis_run CONFIG SET rdb-key-save-delay 0
	seed redis
	redis_run CONFIG SET rdb-key-save-delay 1000
	redis_run SET sample:moment 'value before'
	first=$(saves)
	start_program create --only redis
	hold_soon_after "$1" $((first + 1))
	is_saving || fail 'its save was over too soon'
}

is_saving() {
	redis_run INFO persistence | grep -q '^rdb_bgsave_in_progress:1'
}

is_idle() {
	! is_saving
}

assert_emptied() {
	ends_with 1
	assert_contains "$errors" 'Redis was emptied (FLUSHALL) before the file of this backup could be copied'
	assert_equal "$(backup_count)" 0
	assert_nothing_partial
}

@test "FLUSHALL that ends the save is a failure, and neither an older file nor an empty one is taken" {
	local access save
	for access in direct api; do
		for save in '' '3600 1'; do
			redis_run CONFIG SET save "$save"
			WHISPERBACKUP_VOLUME_ACCESS=$access hold_in_slow_save save_number
			redis_run FLUSHALL
			let_go
			assert_emptied
		done
	done
}

@test "FLUSHALL after the save does not take the place of the file that is held" {
	redis_run CONFIG SET save '3600 1'
	hold_in_slow_save save_is_open
	redis_run CONFIG SET rdb-key-save-delay 0
	wait_until is_idle
	redis_run FLUSHALL
	let_go
	ends_with 0
	grep -aq 'value before' "$(backup_path)/redis_backup.rdb"
}

@test "through the engine FLUSHALL after the save is a failure" {
	export WHISPERBACKUP_VOLUME_ACCESS=api
	redis_run CONFIG SET save '3600 1'
	hold_in_slow_save save_number
	redis_run CONFIG SET rdb-key-save-delay 0
	wait_until is_idle
	redis_run FLUSHALL
	let_go
	assert_emptied
}

# shellcheck disable=SC2016 # the container's shell
end_save() { # by the signal that Redis ends it with itself, as a replica does that is synchronized
	docker exec "$(container redis)" sh -c 'for each in /proc/[0-9]*; do
		if grep -q "^redis-rdb-bgsave" "$each/cmdline"; then kill -USR1 "${each#/proc/}"; fi; done'
	wait_until is_idle
}

@test "a save that is ended by a signal is a failure, and the older file is not taken" {
	local access
	redis_run CONFIG SET save ''
	for access in direct api; do
		WHISPERBACKUP_VOLUME_ACCESS=$access hold_in_slow_save save_number
		end_save
		let_go
		ends_with 1
		assert_contains "$errors" 'Redis ended the save of this backup before it was whole'
		assert_equal "$(backup_count)" 0
		assert_nothing_partial
	done
}

@test "an empty Redis holds nothing, and that is known" {
	redis_run FLUSHALL
	program 0 create --only redis
	seed redis
	assert_json "$(cat "$(backup_path)/manifest.json")" '.stores[] | select(.name == "redis") | .fingerprint' '{}'
}
