#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# Help, version, and what is said to a command line that cannot be understood.

load helpers

setup() {
	enter_project
}

commands() { # as the help lists them
	"$WHISPERBACKUP" help | sed -n '/^Commands:/,/^$/ s/^  \([a-z][a-z]*\).*/\1/p'
}

@test "without arguments the help is shown" {
	program 0 help
	local help=$output
	program 0
	assert_equal "$output" "$help"
}

@test "the help names every command" {
	program 0 help
	for command in create list show restore cleanup help; do
		[[ $output == *$'\n'"  $command "* ]] || fail "$command is missing in:" "$output"
	done
}

@test "--help and -h are help" {
	program 0 help
	local help=$output
	program 0 --help
	assert_equal "$output" "$help"
	program 0 -h
	assert_equal "$output" "$help"
}

@test "help goes to standard output and nothing to standard error" {
	program 0 help
	assert_equal "$errors" ''
}

@test "COMMAND --help is the same as help COMMAND, for every command" {
	for command in $(commands); do
		program 0 help "$command"
		local help=$output
		assert_contains "$help" "Usage: whisperbackup $command"
		program 0 "$command" --help
		assert_equal "$output" "$help"
		program 0 "$command" -h
		assert_equal "$output" "$help"
	done
}

@test "the help of create, to the letter" {
	program 0 create --help
	assert_equal "$output" "$(
		cat <<'TEXT'
Usage: whisperbackup create [--only STORES] [--max-freeze SECONDS]
       [--no-pause-writers] [--volume-access WAY] [--allow-shared-folder]
       [--drill] [--json] [--quiet]

Backs up all stores that run.

The backup is a new folder under BACKUP_DIR (default ./backups). It appears
there, and in list, only when every file of it is on disk, checked and
checksummed. Stores that are not running are skipped with a warning, and the
backup is marked as partial.

All stores are saved as they are at one moment. While they are copied, before it
and after it, everything runs. In the moment itself the other containers of the
project are paused, because they may write to the stores, and so are ChromaDB
and Neo4j, while what has changed since the copy is read; PostgreSQL and Redis
hold the moment by themselves and are not paused. Then everything goes on. list
and show tell how long it was. If it would be longer than --max-freeze,
everything goes on and the backup has failed.

A container with the label whisperengine.backup.pause=false is not paused,
unless it is ChromaDB or Neo4j; with --no-pause-writers only these two are. What
the others write meanwhile may be in one store and not in another. The same goes
for programs outside of the project.

As another user than root, or with --volume-access api, ChromaDB and Neo4j stand
still while all of their data is copied through the Docker Engine.
--volume-access direct fails instead.

With --drill, the backup is verified by a drill at once (see verify); it stays,
whatever comes of that.

Options:
  --only STORES      only these stores, separated by commas: postgresql, redis,
                     chromadb, neo4j
  --max-freeze SECONDS
                     give up rather than let services stand still for longer
                     (30)
  --no-pause-writers do not pause the containers that use the stores
  --volume-access WAY
                     direct, api or auto: how the volumes' files are reached
  --allow-shared-folder
                     work in a backup folder that others can change as well
  --drill            restore it into throwaway containers, and read every record
                     there
  --json             print one JSON document on standard output
  --quiet            no progress and no summary; warnings and errors only
  --help             explain this command

Examples:
  whisperbackup create
      Back up everything that runs.
  whisperbackup create --only redis,neo4j --quiet
      Back up two stores, and say something only if it goes wrong.
  whisperbackup create --max-freeze 5
      Give up if services had to stand still for longer than 5 seconds.
TEXT
	)"
}

@test "the help says commands as the user calls them" {
	WHISPERBACKUP_INVOKED_AS='./bot.sh backup' program 0 help
	assert_contains "$output" 'Usage: ./bot.sh backup COMMAND'
	WHISPERBACKUP_INVOKED_AS='./bot.sh backup' program 0 help show
	assert_contains "$output" 'Usage: ./bot.sh backup show'
	assert_contains "$output" '  ./bot.sh backup show latest'
}

@test "no line of the help is longer than 80 columns" {
	local command
	for command in '' $(commands); do
		# shellcheck disable=SC2086 # nothing or one word
		program 0 help $command
		! grep -E '.{81}' <<<"$output" || fail "too long in help $command"
	done
}

@test "every example in the help is understood" {
	local command examples=0
	while IFS= read -r command; do
		# shellcheck disable=SC2086 # the words of a command line
		program 0 $command --help
		examples=$((examples + 1))
	done < <(for command in $(commands); do "$WHISPERBACKUP" help "$command"; done | sed -n 's/^  whisperbackup //p')
	((examples > 0)) || fail 'there are no examples'
}

@test "the help says what the exit statuses mean" {
	program 0 help
	assert_contains "$output" $'\nExit status:\n  0     Done.'
	assert_contains "$output" $'\n  5     The backup is damaged.'
}

@test "--version prints name and version" {
	program 0 --version
	[[ $output =~ ^whisperbackup\ [0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "$output"
}

@test "an unknown command is a usage error with a hint" {
	program 2 frobnicate
	assert_equal "$output" ''
	assert_equal "$errors" $'❌ there is no command "frobnicate"\n   hint: whisperbackup help shows what there is'
}

@test "help of an unknown command is a usage error" {
	program 2 help frobnicate
	assert_contains "$errors" 'there is no command "frobnicate"'
}

@test "an empty command is a usage error" {
	program 2 ''
	assert_contains "$errors" 'there is no command ""'
}

@test "an unknown option is a usage error with a hint, for every command" {
	for command in create list 'show latest' 'restore latest' cleanup help; do
		# shellcheck disable=SC2086 # a command and its argument
		program 2 $command --frobnicate
		assert_contains "$errors" 'no option --frobnicate'
		assert_contains "$errors" "hint: whisperbackup help ${command%% *}"
	done
}

@test "an unknown short option is a usage error" {
	program 2 list -x
	assert_contains "$errors" 'no option -x'
}

@test "an option of another command is a usage error" {
	program 2 list --yes
	assert_contains "$errors" 'list has no option --yes'
}

@test "an option without its value is a usage error" {
	program 2 create --only
	assert_contains "$errors" '--only wants a value'
}

@test "a value for an option that takes none is a usage error" {
	program 2 list --json=yes
	assert_contains "$errors" '--json takes no value'
}

@test "an argument too many is a usage error" {
	program 2 list latest
	assert_contains "$errors" '"latest"'
}

@test "show and restore want a timestamp" {
	program 2 show
	assert_contains "$errors" 'show wants a TIMESTAMP'
	program 2 restore --yes
	assert_contains "$errors" 'restore wants a TIMESTAMP'
}

@test "an unknown store is a usage error that names the stores" {
	program 2 create --only mysql
	assert_contains "$errors" '"mysql"'
	assert_contains "$errors" 'postgresql, redis, chromadb and neo4j'
}

@test "--only= with nothing behind it is a usage error" {
	program 2 create --only=
	assert_contains "$errors" '--only'
}

@test "a usage error makes no backup folder" {
	program 2 create --frobnicate
	program 2 create --only mysql
	program 2 cleanup yesterday
	[[ ! -e $backups ]] || fail "$backups was made"
}
