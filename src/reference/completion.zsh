# The names of the backups, as the program itself finds them: it knows .env and the folder of the compose file.
_whisperbackup_timestamps() {
	local -a timestamps
	timestamps=(latest ${(f)"$($_whisperbackup_program list --json 2>/dev/null |
		sed -n 's/^ *"timestamp": "\([0-9_]*\)".*/\1/p')"})
	compadd -V timestamps -a timestamps
}

_whisperbackup() {
	local curcontext=$curcontext state state_descr line
	local _whisperbackup_program=${${(Q)words[1]}/#\~/$HOME}
	typeset -A opt_args
	_arguments -C -S \
		'(- 1 *)--help[show what there is]' \
		'(- 1 *)--version[print the version]' \
		'1:command:_whisperbackup_commands' \
		'*::argument:->arguments'
	if [[ $state == arguments ]]; then
		curcontext=${curcontext%:*:*}:whisperbackup-$words[1]:
		_whisperbackup_arguments $words[1]
	fi
}

_whisperbackup "$@"
