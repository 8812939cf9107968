#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# What is written is for its owner only, whatever the umask; and what is in memory stays there.

load helpers
load cron

setup() {
	enter_project
}

# The modes below a folder, each once, with a name for example.
modes_of() { # FOLDER
	find "$1" -mindepth 1 -printf '%y %m\n' | sort -u
}

@test "what a scheduled run writes is for its owner only, whatever the umask" {
	local mask
	for mask in 0 0777; do
		rm -rf "$backups"
		(umask "$mask" && program 1 schedule run)
		[[ -s $backups/backup.log && -s $backups/.last_run.json ]]
		assert_equal "$(stat -c %a "$backups")" 700
		assert_equal "$(modes_of "$backups")" 'f 600'
	done
}

@test "what cleanup and verify write is for its owner only, whatever the umask" {
	local mask
	for mask in 0 0777; do
		rm -rf "$backups"
		make_backup 20240912_143022
		chmod 700 "$backups" "$backups"/*
		chmod 600 "$backups"/*/*
		(umask "$mask" && program 0 cleanup && program 5 verify)
		[[ -e $backups/.lock && -s $backups/whisperengine_backup_20240912_143022/verified.json ]]
		assert_equal "$(modes_of "$backups")" $'d 700\nf 600'
	done
}

@test "a BACKUP_DIR and the folders above it that are missing are made for their owner only, whatever the umask" {
	local mask
	for mask in 0 0777; do
		rm -rf above
		(umask "$mask" && BACKUP_DIR=above/it/backups program 0 cleanup)
		assert_equal "$(modes_of above)" $'d 700\nf 600'
		assert_equal "$(stat -c %a above)" 700
	done
}

@test "what a schedule is installed as is for its owner only, whatever the umask" {
	need_world
	local mask
	for mask in 0 0777; do
		rm -rf "${BATS_TEST_TMPDIR:?}/home"
		MASK=$mask in_world 0 <<'CODE'
start_systemd
(umask "$MASK" && "$W" schedule install --systemd)
find "$HOME/.config/systemd/user" -name 'whisperbackup*' -type f -printf '%y %m\n' | sort -u
(umask "$MASK" && "$W" schedule install)
find /var/spool/cron/crontabs -type f -printf '%y %m\n'
CODE
		assert_equal "$output" $'f 600\nf 600'
	done
}

# Programs hold passwords and data; a core file would bring them to disk, or to whoever collects those.
@test "a program that crashes leaves no core file" {
	ulimit -c unlimited
	ulimit -c 2>/dev/null | grep -q unlimited || skip 'core files are not allowed here'
	crash() { # leaves "core" if it may
		kill -ABRT "$1"
		! wait "$1"
	}
	sleep 100 &
	until [[ $(<"/proc/$!/comm") == sleep ]]; do :; done # until then it is a shell, which ends otherwise
	crash $!
	compgen -G 'core*' >/dev/null || skip 'the kernel writes no core files here'
	rm core*
	# It stands still, writing its help into a pipe that is full.
	mkfifo full
	exec {full}<>full
	head -c 65536 /dev/zero >&"$full"
	ASAN_OPTIONS=disable_coredump=0:handle_abort=0 "$WHISPERBACKUP" help >&"$full" &
	local program=$! tries=100
	until grep -q pipe_write "/proc/$program/wchan"; do
		((tries--))
		sleep 0.1
	done
	crash "$program"
	! compgen -G 'core*' || fail 'it has left one'
}
