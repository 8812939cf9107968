#!/bin/sh
# bot.sh - the entry that WhisperEngine's users know. "./bot.sh backup ..." is "whisperbackup ...".
set -eu

# The folder of this script, also when it is called through a symbolic link.
self=$0
while [ -L "$self" ]; do
	link=$(readlink "$self")
	case $link in
	/*) self=$link ;;
	*) self=$(dirname "$self")/$link ;;
	esac
done
root=$(cd "$(dirname "$self")" && pwd)

# The built program beside this script, or the one that is installed.
find_program() {
	if [ -x "$root/build/whisperbackup" ]; then
		echo "$root/build/whisperbackup"
	elif command -v whisperbackup >/dev/null 2>&1; then
		command -v whisperbackup
	else
		echo "❌ Backup program not found: $root/build/whisperbackup" >&2
		echo "   hint: build it (make), or install it, and call ./bot.sh from the project's folder" >&2
		exit 1
	fi
}

usage() {
	cat <<EOF
Usage: ./bot.sh start | stop | restart | status | logs [SERVICE]
       ./bot.sh backup create | list | show TIMESTAMP | restore TIMESTAMP | cleanup [DAYS] | help
       ./bot.sh help
EOF
}

compose() {
	if docker compose version >/dev/null 2>&1; then
		docker compose "$@"
	elif command -v docker-compose >/dev/null 2>&1; then
		docker-compose "$@"
	else
		echo "❌ neither \"docker compose\" nor docker-compose is installed" >&2
		exit 1
	fi
}

case ${1-help} in
backup)
	shift
	program=$(find_program)
	cd "$root"
	WHISPERBACKUP_INVOKED_AS='./bot.sh backup' exec "$program" "$@"
	;;
start)
	cd "$root"
	compose up -d
	;;
stop)
	cd "$root"
	compose stop
	;;
restart)
	cd "$root"
	compose restart
	;;
status)
	cd "$root"
	compose ps
	;;
logs)
	shift
	cd "$root"
	compose logs --tail 100 "$@"
	;;
help | --help | -h)
	usage
	;;
*)
	usage >&2
	exit 2
	;;
esac
