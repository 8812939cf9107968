#!/usr/bin/env bash
# Backups under load, each restored and checked: all stores have to show one moment. A stack of its own, removed afterwards.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
	cat <<'TEXT'
Usage: tests/soak.sh [-n BACKUPS] [--mode plain|heavy|rewriting] [--without PART] [--keep]

  -n BACKUPS      how many (default 50)
  --mode MODE     the writer's load (default: plain and heavy in turn)
  --without PART  leave a part of the protocol out (writer_pause, at_rest, racily_clean) and go on until a backup fails
                  its check, BACKUPS at the most: exit status 0 if one does. Without at_rest only those backups count
                  that were taken while ChromaDB was not at rest, and its load is "rewriting" (tests/stack/writer)
  --keep          leave the stack running

Environment: WHISPERBACKUP (the program, default build/whisperbackup), WHISPERBACKUP_TEST_PROJECT and
WHISPERBACKUP_TEST_PORTS (tests/stack/environment.sh).
TEXT
}

backups=50
modes=()
without=''
keep=''
while [[ $# -gt 0 ]]; do
	case $1 in
	-n | --mode | --without)
		[[ $# -ge 2 ]] || { usage >&2 && exit 2; }
		case $1 in
		-n) backups=$2 ;;
		--mode) modes=("$2") ;;
		--without) without=$2 ;;
		esac
		shift
		;;
	--keep) keep=yes ;;
	-h | --help)
		usage
		exit 0
		;;
	*)
		usage >&2
		exit 2
		;;
	esac
	shift
done
if [[ ${#modes[@]} == 0 ]]; then
	modes=(plain heavy)
	[[ $without != at_rest ]] || modes=(rewriting)
fi
[[ $backups =~ ^[1-9][0-9]*$ && ${modes[*]} =~ ^(plain|heavy|rewriting|plain heavy)$ ]] || { usage >&2 && exit 2; }

export WHISPERBACKUP_TEST_PROJECT=${WHISPERBACKUP_TEST_PROJECT:-whisperbackup-soak-test}
export WHISPERBACKUP_TEST_PORTS=${WHISPERBACKUP_TEST_PORTS:-10400}
stack=as_shipped # environment.sh reads it
# shellcheck source=tests/stack/environment.sh
source tests/stack/environment.sh
# shellcheck source=tests/stack/writer.bash
source tests/stack/writer.bash
program=${WHISPERBACKUP:-build/whisperbackup}
[[ -x $program ]] || scripts/build.sh build

patience=240    # seconds for what has to come
at_a_time=5     # backups taken under one load before they are restored
[[ $without != at_rest ]] || at_a_time=1 # they are rare
numbers_apart=3 # how far the writer has to get between two backups
most_passed_over=500

work=$(mktemp -d)
export BACKUP_DIR=$work/backups
cleanup() {
	writer_remove writer
	rm -rf "$work"
	if [[ -n $keep ]]; then
		echo "the stack is left running; its project is $COMPOSE_PROJECT_NAME"
	else
		scripts/stack.sh down >/dev/null 2>&1 || true
	fi
}
trap cleanup EXIT

broken() { # what is no failed check but a broken test
	printf 'error: %s\n' "$*" >&2
	exit 1
}

wait_until() { # COMMAND ARGUMENT..
	local deadline=$((SECONDS + patience))
	until "$@"; do
		((SECONDS < deadline)) || broken "this did not become true in $patience seconds: $*"
		sleep 0.1
	done
}

passed=0
failed=0
taken=0
passed_over=0 # backups that say nothing of the part that is left out
mode=''

took=()   # timestamps of the backups that wait for their check ...
lowest=() # ... and what the writer's number was before and after each
highest=()

# A store whose copy is seen to be torn when it is read back is a check that fails, where that is looked for.
create_failed() { # STATUS
	if [[ $without == at_rest && $1 == 3 ]]; then
		printf 'without at_rest a copy is torn, at try %d: %s\n' $((taken + passed_over + 1)) "$(head -n 1 "$work/err")"
		exit 0
	fi
	broken "create failed with status $1: $(cat "$work/err")"
}

take_backups() { # COUNT
	local before report timestamp
	while ((${#took[@]} < $1)); do
		before=$(writer_number)
		wait_until writer_is_past $((before + numbers_apart))
		before=$(writer_number)
		report=$(WHISPERBACKUP_TEST_WITHOUT=$without "$program" create --quiet --json 2>"$work/err") || create_failed $?
		timestamp=$(jq -r .timestamp <<<"$report")
		if [[ $without == at_rest ]] && jq -e '(.retries // 0) == 0' <<<"$(store_of "$timestamp" chromadb)" >/dev/null; then
			passed_over=$((passed_over + 1))
			((passed_over <= most_passed_over)) || broken "ChromaDB was at rest in $passed_over backups"
			rm -r "$BACKUP_DIR/whisperengine_backup_$timestamp"
			continue
		fi
		took+=("$timestamp")
		lowest+=("$before")
		highest+=("$(writer_number)")
	done
}

store_of() { # TIMESTAMP STORE
	jq ".stores[] | select(.name == \"$2\")" "$BACKUP_DIR/whisperengine_backup_$1/manifest.json"
}

windows_of() { # TIMESTAMP
	jq -r '"window \(.window_milliseconds // "?" | if type == "number" then round else . end) ms (" +
		([.stores[] | select((.freeze_milliseconds // 0) > 0) |
			"\(.name) \(.freeze_milliseconds | round)\(if (.retries // 0) > 0 then ", \(.retries) retries" else "" end)"] | join(", ")) + ")"' \
		"$BACKUP_DIR/whisperengine_backup_$1/manifest.json"
}

check_backup() { # TIMESTAMP LOWEST HIGHEST: prints what is wrong
	local found first
	"$program" restore "$1" --yes --no-safety-backup --quiet >/dev/null 2>"$work/err" </dev/null || {
		echo "the restore failed with status $?: $(cat "$work/err")"
		return 1
	}
	found=$(tests/stack/moment_check.sh) || {
		[[ -n $found ]] || broken "the check could not be made"
		jq -r '.problems | join("; ")' <<<"$found"
		return 1
	}
	# What was restored is that backup, not what was there before.
	first=$(jq .numbers.all.redis <<<"$found")
	((first >= $2 && first <= $3)) || {
		echo "the number $first is not from the time of the backup, $2 to $3"
		return 1
	}
	echo "number $first"
}

check_backups() {
	local i said word
	for i in "${!took[@]}"; do
		taken=$((taken + 1))
		if said=$(check_backup "${took[i]}" "${lowest[i]}" "${highest[i]}"); then
			passed=$((passed + 1))
			word=ok
		else
			failed=$((failed + 1))
			word=FAILED
		fi
		printf '%s %d of %d, %s, %s: %s\n' "$word" "$taken" "$backups" "$mode" "$(windows_of "${took[i]}")" "$said"
		if [[ -n $without && $word == FAILED ]]; then
			printf 'without %s the check fails, at try %d\n' "$without" "$taken"
			exit 0
		fi
		rm -r "$BACKUP_DIR/whisperengine_backup_${took[i]}"
	done
	took=()
	lowest=()
	highest=()
}

mkdir -p "$BACKUP_DIR"
STACK_WAIT_SECONDS=$patience scripts/stack.sh up
writer_reset

for ((round = 0; taken < backups; round++)); do
	mode=${modes[round % ${#modes[@]}]}
	# Chains that a failed backup has left apart are begun anew.
	if ((failed > 0)); then writer_reset; fi
	writer_start "$mode"
	wait_until writer_is_past 0
	left=$((backups - taken))
	take_backups $((left < at_a_time ? left : at_a_time))
	writer_stop
	check_backups
done

printf '%d passed, %d failed\n' "$passed" "$failed"
if [[ -n $without ]]; then
	printf 'without %s the check has not failed in %d tries\n' "$without" "$backups"
	exit 1
fi
[[ $failed -eq 0 ]]
