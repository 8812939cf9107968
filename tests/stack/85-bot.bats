#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2034,SC2030,SC2031,SC2154
# ./bot.sh with real services: start waits for health, status and logs tell, with Compose v1 and v2.

stack=as_shipped # environment.sh reads it
load helpers

setup_file() {
	stack_up
	whole=$BATS_FILE_TMPDIR/whole
	make_project "$whole"
	cp docker-compose.yml "$whole"
	[[ ! -e .env ]] || cp .env "$whole"
	# A project of three small services, which takes no time; "slow" is healthy when it is told so.
	small=$BATS_FILE_TMPDIR/${COMPOSE_PROJECT_NAME%-test}-small-test
	make_project "$small"
	cat >"$small/docker-compose.yml" <<'EOF'
services:
  redis:
    image: "${REDIS_IMAGE:-redis:7-alpine}"
    healthcheck: {test: ["CMD", "redis-cli", "ping"], interval: 1s}
  slow:
    image: "${REDIS_IMAGE:-redis:7-alpine}"
    entrypoint: ["sleep", "infinity"]
    stop_signal: SIGKILL
    environment: {GREETING: "${GREETING:-none}"}
    healthcheck: {test: ["CMD", "test", "-e", "/tmp/ready"], interval: 1s, retries: 1}
  once:
    image: "${REDIS_IMAGE:-redis:7-alpine}"
    entrypoint: ["echo", "done, once and for all"]
EOF
	export whole small
}

make_project() { # FOLDER
	mkdir -p "$1/build" "$1/scripts"
	cp bot.sh "$1"
	cp scripts/health_check.sh "$1/scripts"
	ln -s "$WHISPERBACKUP" "$1/build/whisperbackup"
}

setup() {
	running=''
}

teardown() {
	end_program
	remove_small
}

use_whole() { # the four stores
	stack_up
	cd "$whole" || return
}

use_small() { # its project is called like its folder
	cd "$small" || return
	unset COMPOSE_PROJECT_NAME
}

small_containers() { # [docker ps OPTION..]
	docker ps --all --quiet --filter "label=com.docker.compose.project=${small##*/}" "$@"
}

slow() {
	small_containers --filter label=com.docker.compose.service=slow
}

state_of() { # CONTAINER
	docker inspect --format '{{.State.Status}}{{if .State.Health}} {{.State.Health.Status}}{{end}}' "$1"
}

slow_is() { # STATE
	[[ $(state_of "$(slow)") == "$1" ]]
}

remove_small() {
	small_containers | xargs --no-run-if-empty docker rm --force --volumes --volumes >/dev/null
	docker network ls --quiet --filter "label=com.docker.compose.project=${small##*/}" |
		xargs --no-run-if-empty docker network rm >/dev/null
}

start_bot() { # WORD..: in the background; sets $running
	env --default-signal=INT ./bot.sh "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" </dev/null 3>&- &
	running=$!
}

waiting_for_slow() {
	grep -q 'waiting for .*slow' "$BATS_TEST_TMPDIR/err"
}

small_is_ready() { # starts the small project and makes it healthy
	start_bot start
	wait_until waiting_for_slow
	docker exec "$(slow)" touch /tmp/ready
	ends_with 0
}

assert_all_healthy() {
	local service
	for service in "${all_services[@]}"; do
		is_healthy "$service" || fail "$service is not healthy"
	done
}

started_at() { # of all four services, with their containers
	local service
	for service in "${all_services[@]}"; do
		docker inspect --format '{{.Id}} {{.State.StartedAt}}' "$(container "$service")"
	done
}

# --- the four stores --------------------------------------------------------------------------------------------------

@test "status of services that run shows each, and ends with 0" {
	use_whole
	run_expecting 0 ./bot.sh status
	for store in postgresql redis chromadb neo4j; do
		[[ $output =~ ✅\ $store\ +healthy ]] || fail "$store is missing in:" "$output"
	done
}

@test "stop stops all, and status says of each that it does not run" {
	use_whole
	run_expecting 0 ./bot.sh stop
	for service in "${all_services[@]}"; do
		container_is "$service" exited || fail "$service still runs"
		assert_contains "${errors##*✅}" "$service"
	done
	run_expecting 1 ./bot.sh status
	for store in postgresql redis chromadb neo4j; do
		assert_contains "$output" "❌ $store "
	done
	refute_contains "$output" ✅
}

@test "start ends with 0 when all four are healthy, in their old containers" {
	use_whole
	stop_services "${all_services[@]}"
	before=$(started_at | cut -d ' ' -f 1)
	BOT_WAIT_SECONDS=$patience run_expecting 0 ./bot.sh start
	assert_all_healthy
	assert_equal "$(started_at | cut -d ' ' -f 1)" "$before"
	assert_contains "$errors" 'waiting for '
}

@test "restart starts every service anew, in its old container, and waits" {
	use_whole
	before=$(started_at)
	BOT_WAIT_SECONDS=$patience run_expecting 0 ./bot.sh restart
	assert_all_healthy
	assert_equal "$(started_at | cut -d ' ' -f 1)" "$(cut -d ' ' -f 1 <<<"$before")"
	assert_equal "$(comm -12 <(sort <<<"$before") <(started_at | sort))" ''
}

@test "logs of one service shows its lines, and those of no other" {
	use_whole
	run_expecting 0 ./bot.sh logs postgres
	assert_contains "$output" 'database system is ready to accept connections'
	refute_contains "$output" redis
}

@test "logs of a service that there is not names those there are" {
	use_whole
	run_expecting 2 ./bot.sh logs nosuch
	assert_contains "$errors" 'there is no service "nosuch"'
	for service in "${all_services[@]}"; do
		assert_contains "$errors" "$service"
	done
}

@test "status, logs and the health check work from / and through symbolic links" {
	use_whole
	ln -s "$whole/bot.sh" "$BATS_TEST_TMPDIR/bot"
	ln -s "$whole/scripts/health_check.sh" "$BATS_TEST_TMPDIR/health"
	cd /
	run_expecting 0 "$BATS_TEST_TMPDIR/bot" status
	run_expecting 0 "$BATS_TEST_TMPDIR/bot" logs redis
	assert_contains "$output" 'Ready to accept connections'
	run_expecting 0 "$BATS_TEST_TMPDIR/health"
	run_expecting 0 "$BATS_TEST_TMPDIR/health" --json
	assert_json "$output" '[.stores[] | .healthy]' '[true,true,true,true]'
}

# --- a small project --------------------------------------------------------------------------------------------------

@test "start waits for a service that is not healthy yet, and says for which" {
	use_small
	small_is_ready
	assert_equal "$(state_of "$(slow)")" 'running healthy'
}

@test "start names a service that does not become healthy, and what to do" {
	use_small
	small_is_ready
	docker exec "$(slow)" rm /tmp/ready
	wait_until slow_is 'running unhealthy'
	BOT_WAIT_SECONDS=1 run_expecting 1 ./bot.sh start
	assert_contains "$errors" '❌ slow is not healthy: unhealthy'
	assert_contains "$errors" 'hint: ./bot.sh logs slow'
	refute_contains "${errors#*not healthy}" redis
}

@test "status names the service that is not healthy" {
	use_small
	small_is_ready
	docker exec "$(slow)" rm /tmp/ready
	wait_until slow_is 'running unhealthy'
	run_expecting 1 ./bot.sh status
	[[ $output =~ ❌\ slow\ +unhealthy ]] || fail "slow is missing in:" "$output"
	[[ $output =~ ✅\ redis\ +healthy ]] || fail "redis is missing in:" "$output"
}

@test "restart makes a changed setting take effect" {
	use_small
	small_is_ready
	assert_contains "$(docker inspect --format '{{.Config.Env}}' "$(slow)")" GREETING=none
	echo GREETING=hello >.env
	BOT_WAIT_SECONDS=0 run_expecting 1 ./bot.sh restart
	rm .env
	assert_contains "$(docker inspect --format '{{.Config.Env}}' "$(slow)")" GREETING=hello
}

@test "restart of a project without containers starts it" {
	use_small
	BOT_WAIT_SECONDS=0 run_expecting 1 ./bot.sh restart
	wait_until slow_is 'running unhealthy'
}

@test "Ctrl-C ends the waiting with 130, and the services stay" {
	use_small
	start_bot start
	wait_until waiting_for_slow
	kill -INT "$running"
	ends_with 130
	[[ $(state_of "$(slow)") == running* ]] || fail "slow is $(state_of "$(slow)")"
}

# --- Compose v2 -------------------------------------------------------------------------------------------------------

# WHISPERBACKUP_TEST_COMPOSE_V2 may name a folder with the plugin docker-compose, where docker itself has none.
use_compose_v2() {
	if [[ -n ${WHISPERBACKUP_TEST_COMPOSE_V2:-} ]]; then
		mkdir "$BATS_TEST_TMPDIR/docker-config"
		ln -s "$WHISPERBACKUP_TEST_COMPOSE_V2" "$BATS_TEST_TMPDIR/docker-config/cli-plugins"
		export DOCKER_CONFIG=$BATS_TEST_TMPDIR/docker-config
	fi
	docker compose version >/dev/null 2>&1 || skip 'docker knows no "compose" (v2), and WHISPERBACKUP_TEST_COMPOSE_V2 names no plugin'
}

made_by_v2() {
	[[ $(docker inspect --format '{{.Name}}' "$(slow)") == "/${small##*/}-slow-1" ]]
}

@test "with Compose v2, start, status, logs, restart and stop work" {
	use_compose_v2
	use_small
	small_is_ready
	made_by_v2 || fail "Compose v2 was not used"
	run_expecting 0 ./bot.sh status
	run_expecting 0 ./bot.sh logs once
	assert_contains "$output" 'done, once and for all'
	run_expecting 2 ./bot.sh logs nosuch
	assert_contains "$errors" 'there is no service "nosuch"'
	BOT_WAIT_SECONDS=$patience run_expecting 0 ./bot.sh restart
	run_expecting 0 ./bot.sh stop
	[[ $(state_of "$(slow)") == exited* ]] || fail "slow is $(state_of "$(slow)")"
	run_expecting 1 ./bot.sh status
}

@test "with Compose v2, a path with symbolic links leads to the same project" {
	use_compose_v2
	use_small
	ln -s "$small" "$BATS_TEST_TMPDIR/another-name"
	cd "$BATS_TEST_TMPDIR/another-name"
	small_is_ready
	cd /
	run_expecting 0 "$small/bot.sh" status
	run_expecting 0 "$BATS_TEST_TMPDIR/another-name/bot.sh" stop
	assert_equal "$(small_containers --filter status=running)" ''
	assert_equal "$(docker ps --all --quiet --filter label=com.docker.compose.project=another-name)" ''
}
