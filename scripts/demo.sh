#!/usr/bin/env bash
# Shows the whole thing on a real stack: backs it up, breaks it, restores it, and proves that all is back.
#
# The stack has a Compose project, ports and a backup folder of its own; a stack of yours is not touched. It is removed
# at the end, unless KEEP=1 is set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export COMPOSE_PROJECT_NAME=whisperbackup-demo
export POSTGRES_PORT=35432 REDIS_PORT=36379 CHROMADB_PORT=38000 NEO4J_HTTP_PORT=37474 NEO4J_BOLT_PORT=37687
work=$(mktemp -d)
export BACKUP_DIR=$work/backups
unset DOCKER_HOST

leave() {
	if [[ ${KEEP:-} == 1 ]]; then
		printf '\nKept: project %s, backups in %s\n' "$COMPOSE_PROJECT_NAME" "$BACKUP_DIR"
		return
	fi
	scripts/stack.sh down >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap leave EXIT

step=0
say() {
	step=$((step + 1))
	printf '\n=== %d. %s\n' "$step" "$*"
}

run() {
	printf '\n$ %s\n' "$*"
	"$@"
}

say "Install what is missing, and build"
run scripts/install-deps.sh
run make --no-print-directory build

say "Start a real stack (PostgreSQL, Redis, ChromaDB, Neo4j) and fill it with sample data"
run scripts/stack.sh up
run scripts/seed.sh

say "Write down everything that the four stores hold, to compare with later"
tests/stack/state.sh "$work/before"
wc -l "$work"/before/*.txt

say "Back it up"
run ./bot.sh backup create

say "Look at it: list, details, checksums"
run ./bot.sh backup list
run ./bot.sh backup show latest
(cd "$BACKUP_DIR"/whisperengine_backup_* && run sha256sum -c SHA256SUMS)

say "Break it: change, add and delete data in every store"
tests/stack/mutate.sh
tests/stack/state.sh "$work/broken"
if tests/stack/compare.sh "$work/before" "$work/broken" >"$work/difference.txt"; then
	echo "nothing was broken: the demonstration would show nothing" >&2
	exit 1
fi
grep '^DIFFERENT' "$work/difference.txt"

say "Restore it (the question is answered by --yes)"
run ./bot.sh backup restore latest --yes

say "Compare everything with what was there before"
tests/stack/state.sh "$work/after"
tests/stack/compare.sh "$work/before" "$work/after"

printf '\nAll four stores hold exactly what they held at the backup.\n'
