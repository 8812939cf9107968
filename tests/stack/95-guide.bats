#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2034,SC2030,SC2031,SC2154
# Every command line of WhisperEngine's backup guide, typed as it stands there, in a project's folder with the real
# services. (Not here: "tail -f" of the machine's own cron log, and "df -h", which are no part of this project.)

stack=as_shipped # environment.sh reads it
load helpers
load ../cli/cron

setup_file() {
	stack_up
	seed postgresql redis
	whole=$BATS_FILE_TMPDIR/whisperengine
	mkdir -p "$whole/build" "$whole/scripts"
	cp bot.sh docker-compose.yml "$whole"
	cp scripts/backup_scheduler.sh scripts/health_check.sh "$whole/scripts"
	ln -s "$WHISPERBACKUP" "$whole/build/whisperbackup"
	export whole
	git -C "$whole" init --quiet --bare "$BATS_FILE_TMPDIR/origin.git"
	git -C "$whole" init --quiet --initial-branch main
	git -C "$whole" remote add origin "$BATS_FILE_TMPDIR/origin.git"
	git -C "$whole" -c user.name=me -c user.email=me@example.org commit --quiet --allow-empty --message first
	git -C "$whole" push --quiet origin main
}

setup() {
	cd "$whole" || return
	unset BACKUP_DIR
}

teardown_file() {
	stack_up
}

guide() { # EXPECTED-EXIT-STATUS LINE
	run_expecting "$1" bash -c "$2"
}

timestamp() { # of the newest backup in ./backups
	BACKUP_DIR=$whole/backups newest_backup
}

@test "./bot.sh start" {
	guide 0 './bot.sh start'
	assert_contains "$output$errors" 'postgresql'
}

@test "./bot.sh backup create makes the folder of the guide, with size and status" {
	guide 0 './bot.sh backup create'
	assert_contains "$errors" 'complete backup: ./backups/whisperengine_backup_'
	for file in backup_info.txt postgresql_backup.sql redis_backup.rdb chromadb_backup.tar.gz neo4j_backup.tar.gz; do
		[[ -s backups/whisperengine_backup_$(timestamp)/$file ]] || fail "$file is missing"
	done
	local info
	info=$(cat "backups/whisperengine_backup_$(timestamp)/backup_info.txt")
	assert_contains "$info" 'WhisperEngine Backup Information
================================
Backup Date: '
	assert_contains "$info" "Backup Directory: ./backups/whisperengine_backup_$(timestamp)
Backup Type: Full System Backup

Services Backed Up:
✅ postgresql: postgresql_backup.sql ("
}

@test "./bot.sh backup list, with head, du and ls as in the guide" {
	guide 0 './bot.sh backup list'
	assert_contains "$output" "restore: ./bot.sh backup restore $(timestamp)"
	for store in postgresql redis chromadb neo4j; do
		assert_contains "$output" "✅ $store"
	done
	guide 0 './bot.sh backup list | head -10'
	guide 0 'du -sh backups/'
	guide 0 'ls -lah backups/ | tail -5'
}

@test "./bot.sh backup restore TIMESTAMP asks, and brings the data back" {
	redis_run SET guide:later 1 >/dev/null
	psql_run shop -c 'CREATE TABLE guide_later (id integer)'
	WHISPERBACKUP=./bot.sh open_terminal backup restore "$(timestamp)"
	wait_until screen_shows 'Type yes to go on'
	type_keys 'yes\n'
	close_terminal 0
	assert_equal "$(redis_run EXISTS guide:later)" 0
	assert_equal "$(psql_run shop -c "SELECT to_regclass('guide_later') IS NULL")" t
	for store in postgresql redis chromadb neo4j; do
		grep -q "$store .*in place and answering" "$screen"
	done
}

@test "./bot.sh status and ./scripts/health_check.sh after a restore" {
	guide 0 './bot.sh status'
	guide 0 './scripts/health_check.sh'
	assert_contains "$output" 'all is well'
}

@test "./bot.sh backup cleanup, with and without DAYS" {
	local before
	before=$(timestamp)
	guide 0 './bot.sh backup cleanup'
	guide 0 './bot.sh backup cleanup 7'
	assert_contains "$errors" 'freed'
	assert_equal "$(timestamp)" "$before"
}

@test "export BACKUP_DIR" {
	guide 0 "export BACKUP_DIR=\"$BATS_TEST_TMPDIR/path to/custom backup\"
./bot.sh backup create --only redis"
	[[ -n $(find "$BATS_TEST_TMPDIR/path to/custom backup" -name redis_backup.rdb) ]]
}

@test "a copy of a backup is tested as the guide does" {
	guide 0 "cp -r backups/whisperengine_backup_$(timestamp) test_restore/ && cd test_restore && sha256sum --quiet -c SHA256SUMS"
	rm -r test_restore
	guide 0 "mkdir test_restore && cp -r backups/whisperengine_backup_$(timestamp) test_restore/ && BACKUP_DIR=test_restore ./bot.sh backup restore $(timestamp) --only redis --yes"
	rm -r test_restore
}

@test "before code updates: create, git pull, restart" {
	guide 0 './bot.sh backup create
git pull origin main
./bot.sh restart'
	for service in "${all_services[@]}"; do
		is_healthy "$service" || fail "$service is not healthy"
	done
}

@test "one backup is removed by hand" {
	local removed
	removed=$(timestamp)
	guide 0 "rm -rf backups/whisperengine_backup_$removed"
	guide 0 './bot.sh backup list'
	assert_contains "$output" ' in ./backups, newest first'
	refute_contains "$output" "$removed"
}

@test "the scheduler's commands, and a real backup by the real cron" {
	need_world
	export project_name=$COMPOSE_PROJECT_NAME
	in_world 0 <<'CODE'
export COMPOSE_PROJECT_NAME=$project_name
./scripts/backup_scheduler.sh install daily
./scripts/backup_scheduler.sh install weekly
./scripts/backup_scheduler.sh install monthly
./scripts/backup_scheduler.sh install "0 */6 * * *"
crontab -l | grep -c 'schedule run 30'
./scripts/backup_scheduler.sh trigger | tail -n 1
rm backups/backup.log
./scripts/backup_scheduler.sh install '* * * * *' 7
cron
wait_for_run
pkill -x cron
until ! [ -e backups/.partial-* ]; do sleep 0.2; done
./scripts/backup_scheduler.sh install daily
cron
./scripts/backup_scheduler.sh status
./scripts/backup_scheduler.sh uninstall
! crontab -l 2>/dev/null
CODE
	assert_equal "$(head -n 1 <<<"$output")" 1
	assert_contains "$output" 'done, in '
	assert_contains "$output" 'last run     '
	assert_contains "$(cat backups/backup.log)" 'complete backup: ./backups/whisperengine_backup_'
	assert_contains "$(cat backups/backup.log)" 'removed'
}

@test "the manual backups of the guide, typed at a terminal" {
	command -v docker-compose >/dev/null || skip 'no docker-compose'
	command -v script >/dev/null || skip 'no program "script"'
	local line
	while read -r line; do
		# Compose v1 gives the program a terminal, and tar refuses to write to one. Such a file is refused, too: 60-bad-input.
		script --quiet --return --flush --command "$line" /dev/null </dev/null >/dev/null || [[ $line == *' tar '* ]]
	done <<'LINES'
docker-compose exec postgres pg_dumpall -U whisperengine > manual_postgres_backup.sql
docker-compose exec redis redis-cli BGSAVE
docker-compose exec redis cat /data/dump.rdb > manual_redis_backup.rdb
docker-compose exec chromadb tar czf - /chroma/chroma > manual_chromadb_backup.tar.gz
docker-compose exec neo4j tar czf - /data > manual_neo4j_backup.tar.gz
LINES
	for file in manual_postgres_backup.sql manual_redis_backup.rdb manual_chromadb_backup.tar.gz manual_neo4j_backup.tar.gz; do
		[[ -s $file ]] || fail "$file is empty"
	done
}

# --- the guide's troubles ---------------------------------------------------------------------------------------------

@test "Docker not running: docker info and ./bot.sh start are named" {
	DOCKER_HOST=unix:///nonexistent.sock run_expecting 1 ./bot.sh backup create
	assert_contains "$errors" 'Docker not running'
	assert_contains "$errors" 'docker info'
	assert_contains "$errors" './bot.sh start'
	DOCKER_HOST=unix:///nonexistent.sock run_expecting 1 ./bot.sh start
	assert_contains "$errors" 'Docker not running'
}

@test "No containers are running: ./bot.sh start is named" {
	guide 0 './bot.sh stop'
	run_expecting 1 ./bot.sh backup create
	assert_contains "$errors" 'No containers are running'
	assert_contains "$errors" './bot.sh start'
	guide 0 './bot.sh start
./bot.sh backup create --only redis'
}

@test "PostgreSQL backup failed: logs and status are named, and work" {
	local program
	program=$(docker exec "$(container postgres)" sh -c 'readlink -f "$(command -v pg_dump)"')
	docker exec --user 0 "$(container postgres)" chmod 000 "$program"
	run --separate-stderr ./bot.sh backup create --only postgresql
	docker exec --user 0 "$(container postgres)" chmod 755 "$program"
	assert_equal "$status" 1
	assert_contains "$stderr" 'PostgreSQL backup failed'
	assert_contains "$stderr" './bot.sh status'
	assert_contains "$stderr" './bot.sh logs'
	guide 0 './bot.sh logs postgres'
	guide 0 './bot.sh status'
}

@test "Backup script not found: the project's folder is named" {
	mkdir "$BATS_TEST_TMPDIR/scripts"
	cp scripts/backup_scheduler.sh "$BATS_TEST_TMPDIR/scripts"
	run_expecting 1 "$BATS_TEST_TMPDIR/scripts/backup_scheduler.sh" status
	assert_contains "$errors" 'Backup script not found'
	guide 0 "cd $whole
./bot.sh backup list"
}

@test "Redis failed to start after the restore: it is rolled back, and logs and restart are named" {
	# An RDB that is whole but of a version that this Redis refuses: the version's digits are checked by the server only.
	local folder=backups/whisperengine_backup_20240912_143022
	mkdir -p "$folder"
	cp "$(find backups -name redis_backup.rdb | sort | tail -n 1)" "$folder/redis_backup.rdb"
	printf 9999 | dd of="$folder/redis_backup.rdb" bs=1 seek=5 conv=notrunc status=none
	printf '\0\0\0\0\0\0\0\0' | dd of="$folder/redis_backup.rdb" bs=1 seek=$(($(stat -c %s "$folder/redis_backup.rdb") - 8)) conv=notrunc status=none
	redis_run SET guide:kept 1 >/dev/null
	run_expecting 1 ./bot.sh backup restore 20240912_143022 --yes
	rm -r "$folder"
	assert_contains "$errors" 'Redis failed to start after the restore'
	assert_contains "$errors" 'everything is as it was before'
	assert_contains "$errors" './bot.sh logs redis'
	assert_contains "$errors" './bot.sh restart'
	assert_equal "$(redis_run GET guide:kept)" 1
	guide 0 './bot.sh restart'
}

@test "ChromaDB not accessible after the restore: it is rolled back, and logs and restart are named" {
	# An archive that is whole, of a database that no Chroma can open.
	local folder=backups/whisperengine_backup_20240912_143022
	mkdir -p "$folder" "$BATS_TEST_TMPDIR/chroma"
	head -c 8192 /dev/urandom >"$BATS_TEST_TMPDIR/chroma/chroma.sqlite3"
	tar czf "$folder/chromadb_backup.tar.gz" -C "$BATS_TEST_TMPDIR" chroma
	chroma_post '' '{"name":"guide_kept"}' >/dev/null
	run_expecting 1 ./bot.sh backup restore 20240912_143022 --yes
	rm -r "$folder"
	assert_contains "$errors" 'ChromaDB failed to start after the restore'
	assert_contains "$errors" 'everything is as it was before'
	assert_contains "$errors" './bot.sh logs chromadb'
	assert_contains "$errors" './bot.sh restart'
	[[ $(chroma_get | jq 'map(select(.name == "guide_kept")) | length') == 1 ]] || fail 'the data is not as it was'
	curl --silent --fail --noproxy '*' -X DELETE "$(chroma_url)/guide_kept"
}

@test "ChromaDB not accessible some time later: the health check names it, logs tell, and restart heals" {
	docker kill "$(container chromadb)" >/dev/null
	run_expecting 1 ./scripts/health_check.sh
	assert_contains "$output" '❌ chromadb'
	guide 0 './bot.sh logs chromadb'
	[[ -n $output ]]
	guide 0 './bot.sh restart'
	guide 0 './scripts/health_check.sh'
	assert_contains "$output" 'all is well'
}
