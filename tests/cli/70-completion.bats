#!/usr/bin/env bats
# shellcheck shell=bats disable=SC1112,SC2016,SC2030,SC2031,SC2034,SC2154
# What Tab offers in bash and zsh, the manual page, and that these say the same as the help.

load helpers

setup() {
	enter_project
	made=${WHISPERBACKUP%/*}/src/reference
	[[ -f $made/whisperbackup.1 ]] || skip "there is no build beside $WHISPERBACKUP"
}

commands() { # as the help lists them
	"$WHISPERBACKUP" help | sed -n '/^Commands:/,/^$/ s/^  \([a-z][a-z]*\).*/\1/p'
}

# --- bash -------------------------------------------------------------------------------------------------------------

# Sets $output to what bash would offer for the last word, one a line.
complete_in_bash() { # WORD..
	run_expecting 0 bash --norc -c '
		source "$1" && shift
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_whisperbackup
		((${#COMPREPLY[@]} == 0)) || printf "%s\n" "${COMPREPLY[@]}"' bash "$made/whisperbackup" "$@"
	assert_equal "$errors" ''
}

assert_offers() { # WORD.. : what was offered, in any order
	assert_equal "$(sort <<<"$output")" "$(printf '%s\n' "$@" | sort)"
}

@test "bash: the first word is a command" {
	complete_in_bash whisperbackup ''
	assert_equal "$output" "$(commands)"
}

@test "bash: the beginning of a command is completed" {
	complete_in_bash whisperbackup res
	assert_offers restore
}

@test "bash: before a command there are the options of the program" {
	complete_in_bash whisperbackup -
	assert_offers --help --version
}

@test "bash: the beginning of an option is completed" {
	complete_in_bash whisperbackup restore --y
	assert_offers --yes
}

@test "bash: --only offers the stores" {
	complete_in_bash whisperbackup create --only ''
	assert_offers postgresql redis chromadb neo4j
}

@test "bash: --only goes on behind a comma, without what is there already" {
	complete_in_bash whisperbackup create --only redis,neo4j,
	assert_offers redis,neo4j,postgresql redis,neo4j,chromadb
}

@test "bash: --only= is three words to bash" {
	complete_in_bash whisperbackup create --only =
	assert_offers postgresql redis chromadb neo4j
	complete_in_bash whisperbackup create --only = re
	assert_offers redis
}

@test "bash: --only= is one word where = does not break words" {
	complete_in_bash whisperbackup create --only=redis,n
	assert_offers --only=redis,neo4j
}

@test "bash: --volume-access offers the ways to the volumes" {
	complete_in_bash whisperbackup create --volume-access ''
	assert_offers auto direct api
	complete_in_bash whisperbackup restore --volume-access = d
	assert_offers direct
}

@test "bash: a timestamp is one of the program's backups, or latest" {
	make_backup 20240912_143022
	make_backup 20240913_020000
	complete_in_bash "$WHISPERBACKUP" restore ''
	assert_offers latest 20240912_143022 20240913_020000
}

@test "bash: timestamps are those of BACKUP_DIR in .env, also from a folder below" {
	local backups=$project/elsewhere
	echo 'BACKUP_DIR=elsewhere' >.env
	make_backup 20240912_143022
	mkdir below
	cd below
	complete_in_bash "$WHISPERBACKUP" show 2
	assert_offers 20240912_143022
}

@test "bash: without a program that runs, latest is left" {
	complete_in_bash /nonexistent/whisperbackup show ''
	assert_offers latest
}

@test "bash: an option's value is not taken for the argument" {
	complete_in_bash whisperbackup restore --only redis l
	assert_offers latest
	complete_in_bash whisperbackup restore --only = redis l
	assert_offers latest
}

@test "bash: an option without a value leaves the argument to come" {
	complete_in_bash whisperbackup restore --yes l
	assert_offers latest
}

@test "bash: nothing is offered for a number or an argument too many" {
	complete_in_bash whisperbackup cleanup ''
	assert_equal "$output" ''
	complete_in_bash whisperbackup restore latest ''
	assert_equal "$output" ''
}

@test "bash: behind -- there are no options" {
	complete_in_bash whisperbackup restore -- -
	assert_equal "$output" ''
}

@test "bash: help offers the commands" {
	complete_in_bash whisperbackup help ''
	assert_equal "$output" "$(commands)"
}

@test "bash: ./bot.sh backup completes as the program does" {
	make_backup 20240912_143022
	cp "$repository/bot.sh" bot.sh
	mkdir build
	ln -s "$WHISPERBACKUP" build/whisperbackup
	complete_in_bash ./bot.sh b
	assert_offers backup
	complete_in_bash ./bot.sh backup res
	assert_offers restore
	complete_in_bash ./bot.sh backup restore 2
	assert_offers 20240912_143022
	complete_in_bash ./bot.sh logs re
	assert_equal "$output" ''
}

@test "bash: the completion is registered for the program and bot.sh" {
	run_expecting 0 bash --norc -c 'source "$1" && complete -p whisperbackup bot.sh' bash "$made/whisperbackup"
	assert_contains "$output" 'complete -F _whisperbackup whisperbackup'
	assert_contains "$output" 'complete -F _whisperbackup bot.sh'
}

@test "bash: shellcheck has nothing to say" {
	command -v shellcheck >/dev/null || skip 'there is no shellcheck'
	run_expecting 0 shellcheck "$made/whisperbackup"
}

# --- zsh --------------------------------------------------------------------------------------------------------------

# Sets $output to what an interactive zsh would offer at the end of a line, one a line: it runs in a terminal of its own
# (zpty), and its compadd, with which all completions end, also writes down what it is given.
complete_in_zsh() { # LINE
	command -v zsh >/dev/null || skip 'there is no zsh'
	mkdir -p "$BATS_TEST_TMPDIR/zsh"
	: >"$BATS_TEST_TMPDIR/offered"
	cat >"$BATS_TEST_TMPDIR/zsh/.zshrc" <<-'TEXT'
		fpath=($MADE $fpath)
		autoload -U compinit && compinit -u -D
		compadd() {
			local -a offered
			# With these options it adds nothing: the completion system only asks what would match.
			if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
				builtin compadd -A offered "$@"
				((${#offered} == 0)) || print -rl -- $offered >>$OFFERED
			fi
			builtin compadd "$@"
		}
		zle-line-init() {
			BUFFER=$LINE_TO_COMPLETE CURSOR=${#LINE_TO_COMPLETE}
			zle complete-word
			exit
		}
		zle -N zle-line-init
	TEXT
	MADE=$made OFFERED=$BATS_TEST_TMPDIR/offered LINE_TO_COMPLETE=$1 ZDOTDIR=$BATS_TEST_TMPDIR/zsh TERM=vt100 \
		run_expecting 0 zsh -f -c 'zmodload zsh/zpty && zpty shell zsh -d -i && while zpty -r shell line; do :; done; true'
	output=$(<"$BATS_TEST_TMPDIR/offered")
}

@test "zsh: the completion is well-formed and found for the program" {
	command -v zsh >/dev/null || skip 'there is no zsh'
	run_expecting 0 zsh -n "$made/_whisperbackup"
	run_expecting 0 zsh -f -c 'fpath=($1 $fpath); autoload -U compinit; compinit -u -D; print $_comps[whisperbackup]' \
		zsh "$made"
	assert_equal "$output" _whisperbackup
}

@test "zsh: the first word is a command" {
	complete_in_zsh 'whisperbackup '
	assert_equal "$(sort <<<"$output")" "$(commands | sort)"
}

@test "zsh: options of the command are offered" {
	complete_in_zsh 'whisperbackup show --'
	assert_offers --json --help
}

@test "zsh: --only offers the stores, behind a comma those that are left" {
	complete_in_zsh 'whisperbackup create --only '
	assert_offers postgresql redis chromadb neo4j
	complete_in_zsh 'whisperbackup create --only=redis,neo4j,'
	assert_offers postgresql chromadb
}

@test "zsh: a timestamp is one of the program's backups, or latest" {
	make_backup 20240912_143022
	complete_in_zsh "$WHISPERBACKUP restore --only redis "
	assert_offers latest 20240912_143022
}

@test "zsh: nothing is offered for a number" {
	complete_in_zsh 'whisperbackup cleanup '
	assert_equal "$output" ''
}

# --- the manual page --------------------------------------------------------------------------------------------------

@test "mandoc has nothing to complain about in the manual page" {
	command -v mandoc >/dev/null || skip 'there is no mandoc'
	run_expecting 0 mandoc -T lint -W warning "$made/whisperbackup.1"
	assert_equal "$output" ''
}

@test "man has nothing to complain about in the manual page" {
	command -v man >/dev/null || skip 'there is no man'
	run_expecting 0 man --warnings -l "$made/whisperbackup.1"
	assert_equal "$errors" ''
}

@test "what the manual page shows can be pasted: hyphens and quotes are those of the keyboard" {
	command -v mandoc >/dev/null || skip 'there is no mandoc'
	run_expecting 0 mandoc -T utf8 "$made/whisperbackup.1"
	# Letters struck over are how it shows bold; the dash between name and description is its own.
	local page
	page=$(sed 's/.\x08//g; s/ [–—] //' <<<"$output")
	! grep -n '[‐−–—‘’“”]' <<<"$page" || fail 'there are signs that no keyboard has'
	assert_contains "$page" 'whisperbackup restore latest --only postgresql --yes'
}

@test "the manual page has the sections that people look for" {
	local section
	for section in NAME SYNOPSIS DESCRIPTION COMMANDS OPTIONS ENVIRONMENT FILES 'EXIT STATUS' EXAMPLES 'SEE ALSO'; do
		grep -qx "\.Sh $section" "$made/whisperbackup.1" || fail "there is no section $section"
	done
}

@test "the manual page explains every option that a command has" {
	assert_equal "$(section OPTIONS | sed -n 's/^\.It Fl \\-\([^ ]*\).*/--\1/p' | unescaped | sort)" \
		"$( (pairs_of_help | sed 's/.* //; s/=$//' && echo --version) | sort -u)"
}

section() { # NAME: of the manual page
	sed -n "/^\.Sh $1\$/,/^\.Sh / p" "$made/whisperbackup.1"
}

unescaped() {
	sed 's/\\-/-/g'
}

# --- all say the same -------------------------------------------------------------------------------------------------

# Lines "COMMAND --OPTION", with "=" behind it if it takes a value; each read out of its own source.
pairs_of_help() {
	local command
	for command in $(commands); do
		"$WHISPERBACKUP" "$command" --help |
			sed -nE "/^Options:/,/^\$/ { s/^  (--[a-z-]+) [A-Z].*/$command \1=/p; t; s/^  (--[a-z-]+)( .*)?\$/$command \1/p }"
	done | sort
}

pairs_of_man() {
	section COMMANDS | unescaped | awk '
		$1 == ".It" { heading = 1 }
		$1 == ".Xc" { heading = 0 }
		heading && $1 == ".Cm" { command = $2 }
		heading && $1 == ".Op" && $2 == "Fl" { print command, "-" $3 ($4 == "Ar" ? "=" : "") }' | sort
}

pairs_of_bash() {
	local command option
	for command in $(commands_of_bash); do
		complete_in_bash whisperbackup "$command" -
		for option in $output; do
			echo "$command $option$(bash -c 'source "$1" && [[ -z $(_whisperbackup_kind "$2") ]] || echo =' bash \
				"$made/whisperbackup" "$option")"
		done
	done | sort
}

commands_of_bash() {
	complete_in_bash whisperbackup ''
	echo "$output"
}

pairs_of_zsh() {
	sed -n '/^_whisperbackup_arguments/,/^}/ p' "$made/_whisperbackup" |
		sed -nE "s/^\t([a-z]+)\)\$/\1/p; s/^\t\t\t'(--[a-z-]+=?)\[.*/\1/p" |
		awk '/^-/ { print command, $0; next } { command = $0 }' | sort
}

@test "there are commands and options to compare" {
	assert_contains "$(pairs_of_help)" 'create --only='
	assert_contains "$(pairs_of_help)" 'restore --yes'
	assert_contains "$(pairs_of_help)" 'help --help'
}

@test "the manual page has the help's commands and options" {
	assert_equal "$(pairs_of_man)" "$(pairs_of_help)"
}

@test "bash offers the help's commands and options" {
	assert_equal "$(pairs_of_bash)" "$(pairs_of_help)"
}

@test "zsh offers the help's commands and options" {
	assert_equal "$(pairs_of_zsh)" "$(pairs_of_help)"
}

@test "help, manual page and source have the same exit codes" {
	local of_help
	of_help=$("$WHISPERBACKUP" help | sed -n '/^Exit status:/,/^$/ s/^  \([0-9][0-9]*\) .*/\1/p')
	assert_equal "$(section 'EXIT STATUS' | sed -n 's/^\.It \([0-9]*\)$/\1/p')" "$of_help"
	assert_equal "$(sed -nE 's/^\tEXIT_[A-Z]+ = ([0-9]+),.*/\1/p' "$repository/src/commands/command.h")" "$of_help"
}

@test "help and manual page name the settings that the program reads" {
	local of_help read
	of_help=$("$WHISPERBACKUP" help | sed -nE '/^Environment/,/^$/ s/^  ([A-Z_]+)( .*)?$/\1/p' | sort)
	assert_equal "$(section ENVIRONMENT | sed -n 's/^\.It Ev //p' | sort)" "$of_help"
	# Those with _TEST_ in their names are for tests alone.
	read=$(grep -rhoE '(getenv\(|setting\(.*, )"(BACKUP|COMPOSE|DOCKER|WHISPERBACKUP)_[A-Z_]+"' "$repository/src" |
		grep -oE '[A-Z_]{2,}' | grep -v _TEST_ | sort -u)
	assert_equal "$read" "$of_help"
}
