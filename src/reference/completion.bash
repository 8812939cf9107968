# The names of the backups, as the program itself finds them: it knows .env and the folder of the compose file.
_whisperbackup_timestamps() { # PROGRAM..
	echo latest
	"$@" list --json 2>/dev/null | sed -n 's/^ *"timestamp": "\([0-9_]*\)".*/\1/p'
}

# A list that is separated by commas: the last name is completed, and none is offered twice.
_whisperbackup_lists() { # CURRENT-WORD NAME..
	local before='' name
	[[ $1 != *,* ]] || before=${1%,*},
	for name in "${@:2}"; do
		[[ ,$before == *,"$name",* ]] || echo "$before$name"
	done
}

_whisperbackup() {
	local current=${COMP_WORDS[COMP_CWORD]} command='' pending='' only_arguments='' position=1 kind='' words='' word i=1
	local program=("${COMP_WORDS[0]/#\~/$HOME}") prefix=''
	COMPREPLY=()
	if [[ ${COMP_WORDS[0]##*/} == bot.sh ]]; then
		if ((COMP_CWORD == 1)); then
			# shellcheck disable=SC2207 # words without blanks; bash 3 has no mapfile
			COMPREPLY=($(compgen -W backup -- "$current"))
			return 0
		fi
		[[ ${COMP_WORDS[1]} == backup ]] || return 0
		program+=(backup)
		i=2
	fi
	# What the words before the current one are. bash makes --name=value three words: --name, = and value.
	for (( ; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $word == = ]]; then
			continue
		elif [[ -n $pending ]]; then
			pending=''
		elif [[ -z $only_arguments && $word == -- ]]; then
			only_arguments=yes
		elif [[ -z $only_arguments && $word == -* ]]; then
			[[ -z $(_whisperbackup_kind "$word") ]] || pending=$word
		elif [[ -z $command ]]; then
			command=$word
		else
			position=$((position + 1))
		fi
	done
	if [[ -n $pending && $current == = ]]; then
		current=''
	elif [[ $current == --*=* ]]; then
		pending=${current%%=*}
		prefix=$pending=
		current=${current#*=}
	fi
	if [[ -n $pending ]]; then
		kind=$(_whisperbackup_kind "$pending")
	elif [[ -z $only_arguments && $current == -* ]]; then
		words='--help --version'
		[[ -z $command ]] || words=$(_whisperbackup_options "$command")
	elif [[ -z $command ]]; then
		words=$_whisperbackup_commands
	else
		kind=$(_whisperbackup_kind "$command:$position")
	fi
	case $kind in
	timestamp) words=$(_whisperbackup_timestamps "${program[@]}") ;;
	stores\ *)
		# shellcheck disable=SC2086 # names of stores
		words=$(_whisperbackup_lists "$current" ${kind#* })
		compopt -o nospace 2>/dev/null || true # a comma may follow
		;;
	words\ *) words=${kind#* } ;;
	esac
	# shellcheck disable=SC2207 # words without blanks; bash 3 has no mapfile
	COMPREPLY=($(compgen -P "$prefix" -W "$words" -- "$current"))
}

complete -F _whisperbackup whisperbackup bot.sh
