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

# --- the services -----------------------------------------------------------------------------------------------------

# No Docker, but programs that write down how bot.sh calls them, and where; what they answer is said by FAKE_...
fake_tools() { # TOOL..: docker (which knows "compose" if FAKE_V2 is set), docker-compose
	local tool
	calls=$BATS_TEST_TMPDIR/calls
	: >"$calls"
	fakes=$(bare_tools)
	for tool in echo kill xargs; do
		ln -s "$(type -P "$tool")" "$fakes/$tool"
	done
	cat >"$fakes/compose" <<'EOF'
#!/bin/sh
echo "$*" >>"$CALLS"
echo "$PWD" >>"$CALLS.folders"
shift
case "$*" in
'ps -a -q')
	[ -z "${FAKE_ENGINE_SAYS:-}" ] || { echo "$FAKE_ENGINE_SAYS" >&2 && exit 1; }
	echo "${FAKE_CONTAINERS-1a2b3c}"
	;;
'config -q') [ -z "${FAKE_CONFIG_SAYS:-}" ] || { echo "$FAKE_CONFIG_SAYS" >&2 && exit 1; } ;;
'config --services') printf 'postgres\nredis\nchromadb\nneo4j\n' ;;
'ps --services '*) printf '%s\n' ${FAKE_RUNNING-postgres redis} ;;
up*) exit "${FAKE_UP:-0}" ;;
stop*) exit "${FAKE_STOP:-0}" ;;
esac
EOF
	cat >"$fakes/docker" <<'EOF'
#!/bin/sh
case "$*" in
compose*)
	[ -n "${FAKE_V2:-}" ] || exit 1
	shift
	[ "$1" = version ] || exec compose v2 "$@"
	;;
"ps -aq --filter label=com.docker.compose.project.working_dir=${FAKE_LABEL:-none}") echo 1a2b3c ;;
esac
EOF
	cat >"$fakes/docker-compose" <<'EOF'
#!/bin/sh
exec compose v1 "$@"
EOF
	chmod +x "$fakes"/compose "$fakes"/docker "$fakes"/docker-compose
	for tool in docker docker-compose; do
		[[ " $* " == *" $tool "* ]] || rm "$fakes/$tool"
	done
	export CALLS=$calls
}

bot() { # EXPECTED-EXIT-STATUS WORD..
	bot_as ./bot.sh "$@"
}

bot_as() { # PATH EXPECTED-EXIT-STATUS WORD..
	run_expecting "$2" env PATH="$fakes" "$1" "${@:3}"
}

# Instead of the real program one that writes down how it is called.
stub_program() { # [EXIT-STATUS]
	rm -f "$project/build/whisperbackup"
	cat >"$project/build/whisperbackup" <<EOF
#!/bin/sh
echo "whisperbackup \$*" >>"$BATS_TEST_TMPDIR/calls"
echo "\$PWD" >>"$BATS_TEST_TMPDIR/calls.folders"
exit ${1:-0}
EOF
	chmod +x "$project/build/whisperbackup"
}

# What was done, without what was only asked.
assert_done() { # LINE..
	local expected='' actual='' line
	(($# == 0)) || printf -v expected '%s\n' "$@"
	while IFS= read -r line; do
		[[ $line == *' ps'* || $line == *' config '* ]] || actual+=$line$'\n'
	done <"$calls"
	assert_equal "$actual" "$expected"
}

assert_all_in() { # FOLDER: every call was made there
	local line seen=''
	while IFS= read -r line; do
		seen=yes
		[[ $line == "$1" ]] || fail "called in $line instead of $1" || return 1
	done <"$calls.folders"
	assert_equal "$seen" yes
}

@test "start starts the services and waits until they are healthy" {
	fake_tools docker-compose
	stub_program
	bot 0 start
	assert_done 'v1 up -d' 'whisperbackup status --wait 180'
}

@test "BOT_WAIT_SECONDS says how long start waits" {
	fake_tools docker-compose
	stub_program
	BOT_WAIT_SECONDS=7 bot 0 start
	assert_done 'v1 up -d' 'whisperbackup status --wait 7'
}

@test "start fails when a service does not become healthy" {
	fake_tools docker-compose
	stub_program 1
	bot 1 start
}

@test "start that Compose refuses shows the status, does not wait, and fails" {
	fake_tools docker-compose
	stub_program
	FAKE_UP=17 bot 1 start
	assert_done 'v1 up -d' 'whisperbackup status'
	assert_contains "$errors" 'not every service could be started'
}

@test "restart stops, and starts with what has changed in the compose file" {
	fake_tools docker-compose
	stub_program
	bot 0 restart
	assert_done 'v1 stop' 'v1 up -d' 'whisperbackup status --wait 180'
}

@test "restart that cannot stop the services does not start them" {
	fake_tools docker-compose
	stub_program
	FAKE_STOP=17 bot 1 restart
	assert_done 'v1 stop'
	assert_contains "$errors" 'not every service could be stopped'
}

@test "stop names what it has stopped" {
	fake_tools docker-compose
	bot 0 stop
	assert_done 'v1 stop'
	assert_equal "$errors" '✅ stopped: postgres redis'
}

@test "stop says that nothing was running" {
	fake_tools docker-compose
	FAKE_RUNNING='' bot 0 stop
	assert_contains "$errors" 'no service was running'
}

@test "status is the program's, with its options and its exit status" {
	fake_tools
	stub_program 3
	bot 3 status --json
	assert_done 'whisperbackup status --json'
}

@test "logs shows the last lines of all services" {
	fake_tools docker-compose
	bot 0 logs
	assert_done 'v1 logs --tail 100 --no-color'
}

@test "logs takes services and -f in any order" {
	fake_tools docker-compose
	bot 0 logs redis -f neo4j
	assert_done 'v1 logs --tail 100 --no-color --follow redis neo4j'
	: >"$calls"
	bot 0 logs --follow
	assert_done 'v1 logs --tail 100 --no-color --follow'
}

@test "logs refuses a service that there is not, and names those there are" {
	fake_tools docker-compose
	for name in nosuch '' redi 'r.dis' '*' 'postgres
redis'; do
		: >"$calls"
		bot 2 logs "$name"
		assert_contains "$errors" "there is no service \"$name\""
		assert_contains "$errors" 'hint: the services are: postgres redis chromadb neo4j'
		refute_contains "$(<"$calls")" logs
	done
}

@test "logs refuses an option that it does not know" {
	fake_tools docker-compose
	bot 2 logs --no-log-prefix
	assert_contains "$errors" Usage
}

@test "logs of a project without containers says that there are none" {
	fake_tools docker-compose
	FAKE_CONTAINERS='' bot 1 logs redis
	assert_contains "$errors" 'no containers'
	assert_contains "$errors" 'hint: start WhisperEngine first: ./bot.sh start'
}

@test "Compose v2 is preferred to v1" {
	fake_tools docker docker-compose
	stub_program
	FAKE_V2=1 bot 0 start
	assert_done 'v2 up -d' 'whisperbackup status --wait 180'
}

@test "Compose v1 is used where docker knows no compose" {
	fake_tools docker docker-compose
	bot 0 stop
	assert_done 'v1 stop'
}

@test "without Compose nothing is done" {
	fake_tools docker
	bot 1 start
	assert_contains "$errors" 'neither "docker compose" nor docker-compose is installed'
}

@test "without Docker nothing is done" {
	fake_tools
	bot 1 start
	assert_contains "$errors" 'Docker is not installed'
}

@test "every command that needs Docker says that it does not run, and what to do" {
	fake_tools docker-compose
	rm build/whisperbackup
	export FAKE_ENGINE_SAYS="ERROR: Couldn't connect to Docker daemon"
	for command in start stop restart status logs 'logs redis'; do
		# shellcheck disable=SC2086 # words
		bot 1 $command
		assert_equal "$errors" "❌ Docker not running
   hint: start Docker Desktop or the Docker service (check with: docker info), then ./bot.sh start"
		assert_done
	done
}

@test "a user who may not use Docker is told so" {
	fake_tools docker-compose
	FAKE_ENGINE_SAYS='PermissionError(13, Permission denied)' bot 1 start
	assert_contains "$errors" 'no permission to use Docker'
}

@test "a folder without a compose file is named" {
	fake_tools docker-compose
	rm docker-compose.yml
	FAKE_ENGINE_SAYS='no file' FAKE_CONFIG_SAYS='no file' bot 1 start
	assert_contains "$errors" "there is no compose file in $project"
	assert_contains "$errors" 'hint: go to the project'
}

@test "what Compose has against its compose file is shown" {
	fake_tools docker-compose
	FAKE_ENGINE_SAYS='line 3 is wrong' FAKE_CONFIG_SAYS='line 3 is wrong' bot 1 start
	assert_contains "$errors" 'line 3 is wrong'
	refute_contains "$errors" 'not running'
}

@test "start, stop and restart take no further words" {
	fake_tools docker-compose
	for command in start stop restart; do
		bot 2 "$command" redis
		assert_contains "$errors" Usage
	done
	assert_done
}

# --- without the program ----------------------------------------------------------------------------------------------

@test "start and restart work without the program, and say that health cannot be told" {
	fake_tools docker-compose
	rm build/whisperbackup
	for command in start restart; do
		bot 0 "$command"
		assert_contains "$errors" 'whether all is healthy cannot be told: Backup program not found'
	done
	assert_done 'v1 up -d' 'v1 stop' 'v1 up -d'
}

@test "stop and logs do not need the program" {
	fake_tools docker-compose
	rm build/whisperbackup
	bot 0 stop
	bot 0 logs redis
	assert_done 'v1 stop' 'v1 logs --tail 100 --no-color redis'
}

@test "status without the program shows what Compose knows, and is no good news" {
	fake_tools docker-compose
	rm build/whisperbackup
	bot 1 status
	assert_equal "$(tail -n 1 "$calls")" "v1 ps"
	assert_contains "$errors" 'whether all is healthy cannot be told: Backup program not found'
}

# --- which project ----------------------------------------------------------------------------------------------------

@test "every command works in the script's folder, wherever it is called and by whichever link" {
	fake_tools docker-compose
	stub_program
	ln -s "$project/bot.sh" "$BATS_TEST_TMPDIR/start-my-bot"
	cd /
	for command in start stop restart status logs; do
		bot_as "$BATS_TEST_TMPDIR/start-my-bot" 0 "$command"
	done
	assert_all_in "$(cd -P "$project" && pwd)"
}

@test "a project is the same by a path with symbolic links" {
	fake_tools docker docker-compose
	stub_program
	ln -s "$project" "$BATS_TEST_TMPDIR/linked"
	cd "$BATS_TEST_TMPDIR/linked"
	bot 0 start
	assert_all_in "$(cd -P "$project" && pwd)"
}

@test "what was started by a path with symbolic links is found by it" {
	fake_tools docker docker-compose
	stub_program
	ln -s "$project" "$BATS_TEST_TMPDIR/linked"
	cd "$BATS_TEST_TMPDIR/linked"
	FAKE_LABEL=$BATS_TEST_TMPDIR/linked bot 0 start
	assert_all_in "$BATS_TEST_TMPDIR/linked"
}

@test "an installed bot.sh works on the project of the current folder" {
	fake_tools docker-compose
	mkdir -p "$BATS_TEST_TMPDIR/share" "$project/deep/below"
	mv bot.sh "$BATS_TEST_TMPDIR/share/bot.sh"
	cd deep/below
	bot_as "$BATS_TEST_TMPDIR/share/bot.sh" 0 stop
	assert_all_in "$(cd -P "$project" && pwd)"
}

@test "an installed bot.sh backs up into the project of the current folder" {
	mkdir "$BATS_TEST_TMPDIR/share"
	mv bot.sh "$BATS_TEST_TMPDIR/share/bot.sh"
	ln -s "$WHISPERBACKUP" "$(bare_tools)/whisperbackup"
	run_expecting 0 env PATH="$BATS_TEST_TMPDIR/tools" "$BATS_TEST_TMPDIR/share/bot.sh" backup list
	assert_contains "$output" 'restore: whisperbackup restore 20240912_143022'
}

# --- Ctrl-C -----------------------------------------------------------------------------------------------------------

@test "Ctrl-C ends bot.sh with 130, whatever Compose makes of it" {
	local setsid shell shells=()
	for shell in dash bash; do
		shells+=("$(type -P "$shell")")
	done
	setsid=$(type -P setsid)
	fake_tools docker-compose
	stub_program
	cat >"$fakes/compose" <<'EOF'
#!/bin/sh
echo "$*" >>"$CALLS"
[ "$2" = up ] || exit 0
trap 'exit 1' INT
kill -INT 0
exit 1
EOF
	for shell in "${shells[@]}"; do
		: >"$calls"
		run_expecting 130 env --default-signal=INT PATH="$fakes" "$setsid" --wait "$shell" ./bot.sh start
		assert_done 'v1 up -d'
		assert_equal "$errors" ''
	done
}
