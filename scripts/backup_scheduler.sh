#!/bin/sh
# Backups by a schedule: "scripts/backup_scheduler.sh X ..." is "./bot.sh backup schedule X ...".
set -eu
unset CDPATH

# This script, also when it is called through a symbolic link.
self=$0
while [ -L "$self" ]; do
	link=$(readlink "$self")
	case $link in
	/*) self=$link ;;
	*) self=$(dirname "$self")/$link ;;
	esac
done
bot=$(cd "$(dirname "$self")/.." && pwd)/bot.sh
if [ ! -x "$bot" ]; then
	printf '❌ Backup script not found: %s\n   hint: keep this script in the folder "scripts" beside bot.sh\n' "$bot" >&2
	exit 1
fi

[ $# -gt 0 ] || set -- help
exec "$bot" backup schedule "$@"
