# shellcheck shell=bash
# What the tests of the command line share; the tests on real servers use it too. Loaded by `load helpers`.
bats_require_minimum_version 1.5.0

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# The program under test: what WHISPERBACKUP says, else the build with the sanitizers, else the plain one.
find_program() {
	local candidate
	for candidate in "${WHISPERBACKUP:-}" "$repository/build-asan/whisperbackup" "$repository/build/whisperbackup"; do
		if [[ -n $candidate && -x $candidate ]]; then
			realpath "$candidate"
			return
		fi
	done
	echo "no whisperbackup to test: run make, or set WHISPERBACKUP" >&2
	return 1
}
WHISPERBACKUP=$(find_program) || exit 1
export WHISPERBACKUP

# --- saying what is wrong ---------------------------------------------------------------------------------------------

fail() { # LINE..
	printf '%s\n' "$@" >&2
	return 1
}

assert_equal() { # ACTUAL EXPECTED
	[[ $1 == "$2" ]] || fail "expected:" "$2" "actual:" "$1"
}

assert_contains() { # TEXT PART
	[[ $1 == *"$2"* ]] || fail "this is missing: $2" "in:" "$1"
}

refute_contains() { # TEXT PART
	[[ $1 != *"$2"* ]] || fail "this must not be there: $2" "in:" "$1"
}

assert_json() { # TEXT FILTER EXPECTED: what jq makes of it, in one line
	local actual
	actual=$(jq -ce "$2" <<<"$1") || [[ -n $actual ]] || fail "jq cannot apply $2 to:" "$1"
	assert_equal "$actual" "$3"
}

# --- running the program ----------------------------------------------------------------------------------------------

# Runs it; sets $status, $output (what came on standard output) and $errors (on standard error).
program() { # EXPECTED-EXIT-STATUS ARGUMENT..
	run_expecting "$1" "$WHISPERBACKUP" "${@:2}"
}

run_expecting() { # EXPECTED-EXIT-STATUS COMMAND ARGUMENT..
	local expected=$1
	shift
	# shellcheck disable=SC2034,SC2154 # bats sets them; the tests read errors
	{
		run --separate-stderr "$@"
		errors=$stderr
		[[ $status -eq $expected ]] || fail "exit status $status instead of $expected: $*" "$output" "$stderr"
	}
}

# --- a project without Docker -----------------------------------------------------------------------------------------

# A project folder with a compose file, and no way to any Docker Engine; it becomes the working folder.
enter_project() {
	unset BACKUP_DIR COMPOSE_PROJECT_NAME WHISPERBACKUP_INVOKED_AS
	export DOCKER_HOST=unix:///nonexistent.sock TZ=UTC LC_ALL=C.UTF-8
	project=$BATS_TEST_TMPDIR/project
	mkdir "$project"
	echo 'services: {}' >"$project/docker-compose.yml"
	cd "$project" || return 1
	backups=$project/backups
}

days_ago() { # DAYS: a timestamp that long ago
	date -d "$1 days ago" +%Y%m%d_%H%M%S
}

artefact_of() { # STORE
	case $1 in
	postgresql) echo postgresql_backup.sql ;;
	redis) echo redis_backup.rdb ;;
	chromadb | neo4j) echo "$1_backup.tar.gz" ;;
	*) fail "no such store: $1" ;;
	esac
}

# A backup folder as the program writes it; the files of the stores hold a line of text. Stores that are not named are
# "skipped", which makes the backup partial.
make_backup() { # TIMESTAMP [STORE..]
	local timestamp=$1 folder=$backups/whisperengine_backup_$1 store file status=complete stores='[]'
	shift
	if (($# == 0)); then set -- postgresql redis chromadb neo4j; else status=partial; fi
	mkdir -p "$folder"
	for store in postgresql redis chromadb neo4j; do
		file=$(artefact_of "$store")
		if [[ " $* " == *" $store "* ]]; then
			echo "the data of $store" >"$folder/$file"
			stores=$(jq -c --arg name "$store" --arg file "$file" --argjson size "$(stat -c %s "$folder/$file")" \
				--arg sum "$(sha256sum <"$folder/$file" | cut -c 1-64)" \
				'. + [{$name, status: "ok", $file, size_bytes: $size, sha256: $sum, fingerprint: null}]' <<<"$stores")
		else
			stores=$(jq -c --arg name "$store" '. + [{$name, status: "skipped", reason: "not running"}]' <<<"$stores")
		fi
	done
	echo 'WhisperEngine Backup Information' >"$folder/backup_info.txt"
	(cd "$folder" && sha256sum backup_info.txt ./*_backup.* >SHA256SUMS)
	jq -n --arg timestamp "$timestamp" --arg status "$status" --argjson stores "$stores" \
		'{format: 1, tool: {name: "whisperbackup", version: "0.1.0"}, host: "here", project: "project", $timestamp,
		$status, started: "2024-09-12T14:30:22.000Z", finished: "2024-09-12T14:30:25.000Z", $stores}' \
		>"$folder/manifest.json"
}

# A backup whose files are well-formed, though there is nothing in them.
make_sound_backup() { # TIMESTAMP
	make_backup "$1"
	folder=$backups/whisperengine_backup_$1
	printf -- '--\n-- PostgreSQL database cluster dump\n--\n\n--\n-- PostgreSQL database cluster dump complete\n--\n\n' \
		>"$folder/postgresql_backup.sql"
	printf 'REDIS0011\xff\0\0\0\0\0\0\0\0' >"$folder/redis_backup.rdb"
	local tree=$BATS_TEST_TMPDIR/tree
	mkdir -p "$tree"/{data/databases/system,data/transactions/system,chroma/chroma}
	echo store >"$tree/data/databases/system/neostore"
	echo log >"$tree/data/transactions/system/neostore.transaction.db.0"
	: >"$tree/chroma/chroma/chroma.sqlite3"
	tar -czf "$folder/neo4j_backup.tar.gz" -C "$tree" data
	tar -czf "$folder/chromadb_backup.tar.gz" -C "$tree" chroma/chroma
	note_sums "$1"
}

# Makes manifest and SHA256SUMS say that the files are as they are now.
note_sums() { # TIMESTAMP
	local folder=$backups/whisperengine_backup_$1 store file manifest
	for store in postgresql redis chromadb neo4j; do
		file=$(artefact_of "$store")
		manifest=$(jq --arg name "$store" --argjson size "$(stat -c %s "$folder/$file")" \
			--arg sum "$(sha256sum <"$folder/$file" | cut -c 1-64)" \
			'(.stores[] | select(.name == $name)) += {size_bytes: $size, sha256: $sum}' "$folder/manifest.json")
		echo "$manifest" >"$folder/manifest.json"
	done
	(cd "$folder" && sha256sum manifest.json backup_info.txt ./*_backup.* >SHA256SUMS)
}

# A backup folder as the guide's manual commands leave it.
make_legacy_backup() { # TIMESTAMP
	local folder=$backups/whisperengine_backup_$1 store
	mkdir -p "$folder"
	for store in postgresql redis chromadb neo4j; do
		echo "the data of $store" >"$folder/$(artefact_of "$store")"
	done
}

# A backup that has lost one of its files.
make_damaged_backup() { # TIMESTAMP
	make_backup "$1"
	rm "$backups/whisperengine_backup_$1/redis_backup.rdb"
}

# Names, modes, sizes and contents of everything below a folder, for "nothing was touched".
snapshot_of() { # FOLDER
	(cd "$1" && find . -printf '%p %m %s\n' | sort && find . -type f -print0 | sort -z | xargs -0r sha256sum)
}

backup_folders() { # the backups in $backups, one timestamp a line
	local folder
	for folder in "$backups"/whisperengine_backup_*; do
		[[ ! -d $folder ]] || echo "${folder##*_backup_}"
	done
}
