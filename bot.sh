#!/bin/sh
# bot.sh - the entry that WhisperEngine's users know. "./bot.sh backup ..." is "whisperbackup ..."; the other commands
# call Compose, v2 or v1, and let whisperbackup tell whether the services are healthy.
set -eu
unset CDPATH
trap 'exit 130' INT

usage() {
	cat <<EOF
Usage: ./bot.sh start | stop | restart       start and restart wait until every service is healthy
       ./bot.sh status [--json]
       ./bot.sh logs [-f] [SERVICE..]        the last 100 lines of each; -f goes on with what comes
       ./bot.sh backup create | list | show TIMESTAMP | restore TIMESTAMP | cleanup [DAYS] | help
       ./bot.sh help
BOT_WAIT_SECONDS in the environment says how long is waited (180).
EOF
}

misused() { # MESSAGE
	printf '❌ %s\n' "$1" >&2
	usage >&2
	exit 2
}

give_up() { # MESSAGE HINT
	printf '❌ %s\n   hint: %s\n' "$1" "$2" >&2
	exit 1
}

# The folder of this script, also when it is called through a symbolic link.
self=$0
while [ -L "$self" ]; do
	link=$(readlink "$self")
	case $link in
	/*) self=$link ;;
	*) self=$(dirname "$self")/$link ;;
	esac
done
own=$(cd "$(dirname "$self")" && pwd)

# The built program beside this script, or the one that is installed; empty if there is none.
program=$own/build/whisperbackup
[ -x "$program" ] || program=$(command -v whisperbackup) || program=
build_hint="build it (make), or install it, and call ./bot.sh from the project's folder"
export WHISPERBACKUP_INVOKED_AS='./bot.sh backup'

holds_compose_file() { # FOLDER
	for name in compose.yaml compose.yml docker-compose.yml docker-compose.yaml; do
		[ ! -f "$1/$name" ] || return 0
	done
	return 1
}

# The project is where this script is; but if that is only where it is installed, where the user is, or above.
enter_project() {
	project=$own
	if [ "$program" != "$own/build/whisperbackup" ] && ! holds_compose_file "$own"; then
		WHISPERBACKUP_INVOKED_AS=whisperbackup
		project=$PWD
		while [ -n "$project" ] && ! holds_compose_file "$project"; do
			project=${project%/*}
		done
	fi
	cd "${project:-.}"
	# By whichever path it is reached, it is one project. Compose v2 notes paths with symbolic links in them; what was
	# started by hand by such a path is found by it.
	named=$PWD
	cd -P .
	[ "$named" = "$PWD" ] ||
		[ -z "$(docker ps -aq --filter "label=com.docker.compose.project.working_dir=$named" 2>/dev/null)" ] ||
		cd "$named"
	export PWD
}

compose() {
	$compose_command "$@"
}

# Finds Compose, and asks it for the project's containers: that needs a compose file and the engine.
enter_compose() {
	enter_project
	if docker compose version >/dev/null 2>&1; then
		compose_command='docker compose'
	elif command -v docker-compose >/dev/null; then
		compose_command=docker-compose
	elif command -v docker >/dev/null; then
		give_up 'neither "docker compose" nor docker-compose is installed' 'see https://docs.docker.com/compose/install/'
	else
		give_up 'Docker is not installed: there is no program "docker"' 'see https://docs.docker.com/engine/install/'
	fi
	! containers=$(compose ps -a -q 2>/dev/null) || return 0
	if ! said=$(compose config -q 2>&1); then
		holds_compose_file . ||
			give_up "there is no compose file in $PWD" "go to the project's folder first: cd /path/to/whisperengine"
		give_up "Compose refuses its settings in $PWD: $said" 'mend the compose file or .env'
	fi
	case $(compose ps -a -q 2>&1) in
	*ermission\ denied*)
		give_up 'no permission to use Docker' 'run this with sudo, or add your user to the group docker and log in again'
		;;
	esac
	give_up 'Docker not running' 'start Docker Desktop or the Docker service (check with: docker info), then ./bot.sh start'
}

# Without the backup program this still works, only that nobody tells the end.
start_services() {
	if ! compose up -d; then
		[ -z "$program" ] || "$program" status || :
		give_up 'not every service could be started' 'see what Compose says above, and ./bot.sh logs SERVICE'
	fi
	[ -z "$program" ] || exec "$program" status --wait "${BOT_WAIT_SECONDS:-180}"
	compose ps
	printf '⚠️  started, but whether all is healthy cannot be told: Backup program not found\n   hint: %s\n' "$build_hint" >&2
}

stop_services() {
	compose stop || give_up 'not every service could be stopped' 'see what Compose says above, and ./bot.sh status'
}

show_logs() { # [-f] [SERVICE..]
	follow='' plain=''
	services=$(compose config --services 2>/dev/null | xargs)
	for word in "$@"; do
		shift
		case " $services " in
		*" $word "*) set -- "$@" "$word" && continue ;;
		esac
		case $word in
		-f | --follow) follow=--follow ;;
		-*) misused "logs has no option $word" ;;
		*)
			printf '❌ there is no service "%s"\n   hint: the services are: %s\n' "$word" "$services" >&2
			exit 2
			;;
		esac
	done
	[ -n "$containers" ] || give_up 'there are no containers, so no logs' 'start WhisperEngine first: ./bot.sh start'
	{ [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; } || plain=--no-color
	compose logs --tail 100 $plain $follow "$@"
}

command=${1-help}
[ $# -eq 0 ] || shift
case $command in
backup)
	[ -n "$program" ] || give_up "Backup program not found: $own/build/whisperbackup" "$build_hint"
	enter_project
	exec "$program" "$@"
	;;
start | stop | restart)
	[ $# -eq 0 ] || misused "$command takes no further words"
	enter_compose
	running=$(compose ps --services --filter status=running 2>/dev/null | xargs)
	[ "$command" = start ] || stop_services
	if [ "$command" = stop ]; then
		echo "✅ stopped: ${running:-nothing, no service was running}" >&2
		exit 0
	fi
	# Not "compose restart": only "up" makes what was changed in .env or the compose file take effect.
	start_services
	;;
status)
	if [ -n "$program" ]; then
		enter_project
		exec "$program" status "$@"
	fi
	enter_compose
	compose ps
	give_up 'whether all is healthy cannot be told: Backup program not found' "$build_hint"
	;;
logs)
	enter_compose
	show_logs "$@"
	;;
help | --help | -h)
	usage
	;;
*)
	misused "there is no command \"$command\""
	;;
esac
