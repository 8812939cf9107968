# shellcheck shell=bash
# A world with a cron and a systemd of its own, so that the tests never see or touch those of the machine: the real
# programs, in mount and process namespaces. Loaded by `load cron`.

# Runs bash code there, on standard input, in the project's folder; $W is the program. Ends at the first failure.
in_world() { # EXPECTED-EXIT-STATUS <<'CODE'
	run_expecting "$1" unshare --mount --pid --fork --mount-proc bash -euo pipefail -c "$world
$(cat)"
}

need_world() {
	[[ $EUID -eq 0 ]] || skip "only root can have namespaces of its own"
	if ! command -v crontab >/dev/null || ! command -v cron >/dev/null; then skip "cron is not installed"; fi
	unshare --mount true 2>/dev/null || skip "no mount namespaces here"
}

# shellcheck disable=SC2016 # expanded over there
world='
W=$WHISPERBACKUP
unset BACKUP_DIR COMPOSE_PROJECT_NAME
export HOME=$BATS_TEST_TMPDIR/home XDG_RUNTIME_DIR=$BATS_TEST_TMPDIR/runtime LOGNAME=root
mkdir -p "$HOME" "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"
mount -t tmpfs none /var/spool/cron
mkdir -m 1730 /var/spool/cron/crontabs
chgrp crontab /var/spool/cron/crontabs
mount -t tmpfs none /etc/cron.d
mount --bind /dev/null /etc/crontab
touch "$BATS_TEST_TMPDIR/crond.pid"
[ -e /run/crond.pid ] || touch /run/crond.pid
mount --bind "$BATS_TEST_TMPDIR/crond.pid" /run/crond.pid

# What is in /etc/localtime here, as zic(8) takes it.
machine_zone() { # LINES
	local file=$BATS_TEST_TMPDIR/zone-$RANDOM
	printf "%s\n" "$1" | zic -d "$file" -
	mount --bind "$file/Machine" "$(realpath /etc/localtime)"
}
[ ! -e /etc/localtime ] || machine_zone "Zone Machine 0 - UTC"

# A user systemd that is not told from one that the machine was booted with.
start_systemd() {
	mkdir -p /run/systemd
	mount -t tmpfs none /run/systemd
	mkdir /run/systemd/system
	/lib/systemd/systemd --user --log-level=warning --log-target=console >"$BATS_TEST_TMPDIR/systemd.log" 2>&1 &
	for _ in $(seq 1200); do
		! systemctl --user show-environment >/dev/null 2>&1 || return 0
		sleep 0.1
	done
	cat "$BATS_TEST_TMPDIR/systemd.log"
	return 1
}

# Until the log shows that a run has ended, or ten minutes have gone.
wait_for_run() {
	for _ in $(seq 1200); do
		! grep -q "(exit code" backups/backup.log 2>/dev/null || return 0
		sleep 0.5
	done
	echo "nothing was run"
	return 1
}
'
