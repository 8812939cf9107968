#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# schedule: the real crontab and cron, and the real systemd of a user, in a world of their own.

load helpers
load cron

setup() {
	need_world
	enter_project
}

# shellcheck disable=SC2089,SC2090 # it is text, and no command
mine='MAILTO=me@example.org
# a comment, 100% mine
*/5 * * * * /usr/bin/true "a  b" \% c	tab'

# An engine that takes a request and never answers; `eval "$listen"` starts it in the world.
deaf_engine() {
	command -v perl >/dev/null || skip "no perl to listen on a socket with"
	export DOCKER_HOST=unix://$BATS_TEST_TMPDIR/deaf.sock
	# shellcheck disable=SC2016 # expanded over there
	export listen='
perl -MIO::Socket::UNIX -e '"'"'my $s = IO::Socket::UNIX->new(Listen => 5, Local => $ARGV[0]) or die; my @c; push @c, $s->accept while 1'"'"' \
	"$BATS_TEST_TMPDIR/deaf.sock" &
until [ -S "$BATS_TEST_TMPDIR/deaf.sock" ]; do sleep 0.1; done'
}

@test "without a schedule, daily at two is installed, and kept for 30 days" {
	in_world 0 <<'CODE'
"$W" schedule install
crontab -l
CODE
	assert_contains "$errors" 'automated backups installed (cron): every day at 02:00, kept for 30 days'
	assert_contains "$output" "
0 2 * * * cd '$project' && env 'DOCKER_HOST=unix:///nonexistent.sock' '$WHISPERBACKUP' schedule run 30
# END whisperbackup $project"
}

@test "what is not given when it is installed again is as before, and is said" {
	in_world 0 <<'CODE'
BACKUP_DIR="$BATS_TEST_TMPDIR/disk" "$W" schedule install weekly 365 --drill 2>/dev/null
"$W" schedule install
crontab -l | grep 'schedule run'
CODE
	assert_equal "$output" "0 2 * * 0 cd '$project' && env 'BACKUP_DIR=$BATS_TEST_TMPDIR/disk' 'DOCKER_HOST=unix:///nonexistent.sock' '$WHISPERBACKUP' schedule run 365 --drill"
	assert_contains "$errors" 'every Sunday at 02:00, kept for 365 days, drilled each week'
	assert_contains "$errors" 'as before: every Sunday at 02:00'
	assert_contains "$errors" 'as before: kept for 365 days'
	assert_contains "$errors" 'as before: drilled each week'
	assert_contains "$errors" "as before: BACKUP_DIR is $BATS_TEST_TMPDIR/disk"
	assert_contains "$errors" "log: $BATS_TEST_TMPDIR/disk/backup.log"
}

@test "what is given when it is installed again wins, and what changes is said" {
	in_world 0 <<'CODE'
BACKUP_DIR="$BATS_TEST_TMPDIR/disk" "$W" schedule install weekly 365 2>/dev/null
BACKUP_DIR="$BATS_TEST_TMPDIR/other" "$W" schedule install daily 7 --drill
crontab -l | grep 'schedule run'
CODE
	assert_equal "$output" "0 2 * * * cd '$project' && env 'BACKUP_DIR=$BATS_TEST_TMPDIR/other' 'DOCKER_HOST=unix:///nonexistent.sock' '$WHISPERBACKUP' schedule run 7 --drill"
	assert_contains "$errors" 'changed: every Sunday at 02:00 before'
	assert_contains "$errors" 'changed: kept for 365 days before'
	assert_contains "$errors" 'changed: not drilled before'
	assert_contains "$errors" "changed: BACKUP_DIR was $BATS_TEST_TMPDIR/disk before"
	refute_contains "$errors" 'as before'
}

@test "a setting that is empty when it is installed again takes the old one away" {
	in_world 0 <<'CODE'
BACKUP_DIR="$BATS_TEST_TMPDIR/disk" "$W" schedule install 2>/dev/null
BACKUP_DIR='' "$W" schedule install
crontab -l | grep -c BACKUP_DIR || true
CODE
	assert_equal "$output" 0
	assert_contains "$errors" "changed: BACKUP_DIR was $BATS_TEST_TMPDIR/disk before"
}

@test "that others may change the backups is not kept when it is installed again" {
	in_world 0 <<'CODE'
"$W" schedule install --allow-shared-folder 2>/dev/null
"$W" schedule install
crontab -l | grep -c ALLOW_SHARED_FOLDER || true
CODE
	assert_equal "$output" 0
	assert_contains "$errors" 'changed: WHISPERBACKUP_ALLOW_SHARED_FOLDER was yes before'
}

@test "installed again over a job that was changed by hand, it wants to be told the days" {
	in_world 0 <<'CODE'
"$W" schedule install daily 365 2>/dev/null
crontab -l | sed 's/schedule run 365$/& >>some.log/' | crontab -
before=$(crontab -l | sha256sum)
! "$W" schedule install || exit 9
test "$(crontab -l | sha256sum)" = "$before"
"$W" schedule install daily 365
CODE
	assert_contains "$errors" 'for how many days it keeps backups cannot be told'
	assert_contains "$errors" 'schedule install WHEN DAYS'
}

@test "installed again over a damaged job, it says that nothing of that is kept" {
	in_world 0 <<'CODE'
"$W" schedule install daily 365 2>/dev/null
crontab -l | sed 's/^0 2/#0 2/' | crontab -
"$W" schedule install
CODE
	assert_contains "$errors" 'nothing of a schedule before is kept: the block of'
	assert_contains "$errors" 'kept for 30 days'
}

@test "hourly, weekly and monthly are the guide's" {
	in_world 0 <<'CODE'
for when in hourly weekly monthly; do
	"$W" schedule install "$when"
	crontab -l | grep 'schedule run' | cut -d "'" -f 1
done
CODE
	assert_equal "$output" '0 * * * * cd 
0 2 * * 0 cd 
0 2 1 * * cd '
}

@test "a cron expression and a number of days are taken" {
	in_world 0 <<'CODE'
"$W" schedule install '0 */6 * * *' 14
crontab -l
CODE
	assert_contains "$output" "0 */6 * * * cd "
	assert_contains "$output" "schedule run 14
"
	assert_contains "$errors" 'every 6 hours: at 00:00, 06:00, 12:00 and 18:00, kept for 14 days'
}

@test "a wrong schedule names the field, and changes nothing" {
	in_world 0 <<'CODE'
! "$W" schedule install '0 25 * * *' || exit 9
! "$W" schedule install 'sometimes' || exit 9
! "$W" schedule install '0 0 31 2 *' || exit 9
! "$W" schedule install daily soon || exit 9
! "$W" schedule install daily 7 8 || exit 9
! crontab -l || exit 9
CODE
	assert_contains "$errors" 'the hour "25" is more than 23'
	assert_contains "$errors" '"soon" is not a number of days'
	assert_contains "$errors" 'no crontab for root'
}

@test "an unknown action is a usage error" {
	program 2 schedule frobnicate
	assert_contains "$errors" 'but not "frobnicate"'
	assert_contains "$errors" 'hint: '
}

@test "schedule help, and schedule alone, explain it" {
	program 0 schedule help
	assert_contains "$output" 'install [WHEN] [DAYS]'
	program 0 schedule
	assert_contains "$output" 'install [WHEN] [DAYS]'
}

@test "a folder without a compose file is refused" {
	rm docker-compose.yml
	in_world 1 <<'CODE'
"$W" schedule install
CODE
	assert_contains "$errors" 'there is no compose file'
	assert_contains "$errors" 'hint: '
}

@test "every other line of the crontab is kept, and uninstall leaves it as it was" {
	# shellcheck disable=SC2090
	export mine
	in_world 0 <<'CODE'
printf '%s\n' "$mine" | crontab -
before=$(crontab -l | sha256sum)
"$W" schedule install
crontab -l | head -n 3
"$W" schedule install weekly
test "$(crontab -l | grep -c 'schedule run')" = 1
"$W" schedule uninstall
test "$(crontab -l | sha256sum)" = "$before"
CODE
	assert_equal "$output" "$mine"
}

@test "without a crontab before, there is none after" {
	in_world 0 <<'CODE'
"$W" schedule install
"$W" schedule uninstall
! crontab -l
test ! -e /var/spool/cron/crontabs/root
CODE
}

@test "an empty crontab stays an empty crontab" {
	in_world 0 <<'CODE'
printf '' | crontab -
"$W" schedule install
"$W" schedule uninstall
test "$(crontab -l | wc -c)" = 0
CODE
}

@test "a crontab whose last line has no newline is kept, and the newline that crontab wants is told" {
	in_world 0 <<'CODE'
printf '1 1 * * * /usr/bin/true' >/var/spool/cron/crontabs/root
chmod 600 /var/spool/cron/crontabs/root
"$W" schedule install
crontab -l | sed -n 1,2p
"$W" schedule uninstall
crontab -l
CODE
	assert_equal "$output" "1 1 * * * /usr/bin/true
# BEGIN whisperbackup $project
1 1 * * * /usr/bin/true"
	assert_contains "$errors" 'had no newline before'
}

@test "lines that came after the block stay when it is replaced and when it goes" {
	in_world 0 <<'CODE'
echo '1 1 * * * before' | crontab -
"$W" schedule install
(crontab -l; echo '2 2 * * * after') | crontab -
"$W" schedule install hourly
crontab -l | tail -n 1
"$W" schedule uninstall
crontab -l
CODE
	assert_equal "$output" '2 2 * * * after
1 1 * * * before
2 2 * * * after'
}

@test "the settings of an installed schedule count for its status, not those of now" {
	in_world 1 <<'CODE'
BACKUP_DIR="$BATS_TEST_TMPDIR/it's there" "$W" schedule install daily
jq -n '{started: 1726151422, finished: 1726151425, process: 1, exit_code: 0, summary: "done"}' >"$BATS_TEST_TMPDIR/it's there/.last_run.json"
"$W" schedule status
CODE
	assert_contains "$output" 'last run     Thu 12 Sep 2024 14:30: done, in 3.0 s'
}

@test "two projects have a block each" {
	mkdir "$BATS_TEST_TMPDIR/other"
	touch "$BATS_TEST_TMPDIR/other/compose.yaml"
	in_world 0 <<'CODE'
"$W" schedule install daily
(cd "$BATS_TEST_TMPDIR/other" && "$W" schedule install weekly)
"$W" schedule uninstall
crontab -l | grep -c 'schedule run'
cd "$BATS_TEST_TMPDIR/other"
"$W" schedule status | sed -n 2p || true
CODE
	assert_contains "$output" '1
  schedule     every Sunday at 02:00'
}

@test "two projects that are installed at the same time both have their block" {
	mkdir "$BATS_TEST_TMPDIR/other"
	touch "$BATS_TEST_TMPDIR/other/compose.yaml"
	in_world 0 <<'CODE'
for i in $(seq 20); do
	crontab -r 2>/dev/null || true
	"$W" schedule install daily 2>/dev/null &
	(cd "$BATS_TEST_TMPDIR/other" && "$W" schedule install weekly 2>/dev/null)
	wait $!
	test "$(crontab -l | grep -c 'schedule run')" = 2 || { echo "round $i"; crontab -l; exit 9; }
done
CODE
}

@test "a block that has lost its end is not touched" {
	in_world 1 <<'CODE'
"$W" schedule install
crontab -l | grep -v END | crontab -
"$W" schedule uninstall
CODE
	assert_contains "$errors" 'has lost its'
	assert_contains "$errors" 'crontab -e'
}

@test "what crontab says when it refuses is passed on, and nothing is changed" {
	in_world 1 <<'CODE'
printf '%s\n' 'this is no crontab' >/var/spool/cron/crontabs/root
"$W" schedule install
CODE
	assert_contains "$errors" 'crontab does not take the change'
	assert_contains "$errors" 'bad minute'
}

@test "without crontab, cron or --systemd are named" {
	mkdir "$BATS_TEST_TMPDIR/empty"
	run_expecting 1 env PATH="$BATS_TEST_TMPDIR/empty" "$WHISPERBACKUP" schedule install
	assert_contains "$errors" 'there is no crontab program'
	assert_contains "$errors" 'hint: install cron'
}

@test "settings of the environment go with the job" {
	in_world 0 <<'CODE'
BACKUP_DIR='/my disk/100%' COMPOSE_PROJECT_NAME=mine "$W" schedule install
crontab -l
CODE
	assert_contains "$output" "env 'BACKUP_DIR=/my disk/100\\%' 'COMPOSE_PROJECT_NAME=mine' 'DOCKER_HOST=unix:///nonexistent.sock' '$WHISPERBACKUP'"
}

@test "the real cron fires the job, in a folder whose name has all that hurts, and the status tells" {
	mv "$project" "$BATS_TEST_TMPDIR/it's 100% \"my\" \$HOME & \\co"
	project="$BATS_TEST_TMPDIR/it's 100% \"my\" \$HOME & \\co"
	cd "$project"
	in_world 0 <<'CODE'
"$W" schedule install '* * * * *' 7
cron -f &
wait_for_run
"$W" schedule status || true
CODE
	assert_contains "$(cat backups/backup.log)" "scheduled backup of $project"
	assert_contains "$(cat backups/backup.log)" 'Docker not running'
	assert_contains "$output" 'cron daemon  runs (cron, process '
	assert_contains "$output" ': failed: Docker not running'
	assert_contains "$output" 'the last run did not go well (exit code 1); see ./backups/backup.log'
}

@test "trigger runs what cron would run, shows its log and has its exit code" {
	in_world 1 <<'CODE'
"$W" schedule install daily 7
BACKUP_DIR=/nowhere FOREIGN=1 "$W" schedule trigger
CODE
	assert_contains "$output" "scheduled backup of $project"
	assert_contains "$output" 'Docker not running'
	assert_contains "$output" '(exit code 1)'
}

@test "trigger without an installed schedule says so, and makes a backup" {
	in_world 1 <<'CODE'
"$W" schedule trigger
CODE
	assert_contains "$errors" 'no automated backups are installed; this makes a backup, and no older one is removed'
	assert_contains "$output" 'Docker not running'
}

@test "trigger without an installed schedule names no number of days to the run, so that nothing is removed" {
	deaf_engine
	in_world 130 <<'CODE'
eval "$listen"
"$W" schedule trigger &
until grep -q 'scheduled backup' backups/backup.log 2>/dev/null; do sleep 0.1; done
pgrep --full --list-full 'schedule run' | sed -n "s/^[0-9]* [^ ]*whisperbackup/ran/p"
kill -INT $!
wait $!
CODE
	assert_contains "$output" 'ran schedule run
'
	refute_contains "$output" 'schedule run 30'
}

@test "trigger runs nothing where the installed schedule is damaged, and says what it is" {
	in_world 1 <<'CODE'
"$W" schedule install
crontab -l | sed 's/^0 2/#0 2/' | crontab -
"$W" schedule trigger
CODE
	assert_contains "$errors" 'in your crontab holds no entry'
	assert_contains "$errors" 'hint: install it again'
	[[ ! -s backups/backup.log ]]
}

@test "trigger runs nothing where the crontab cannot be read, and says so" {
	in_world 1 <<'CODE'
mkdir bin
printf '#!/bin/sh\necho "no peeking today" >&2\nexit 1\n' >bin/crontab
chmod +x bin/crontab
PATH=$PWD/bin:$PATH "$W" schedule trigger
CODE
	assert_contains "$errors" 'no peeking today'
	assert_contains "$errors" 'create makes a backup without a schedule'
	[[ ! -s backups/backup.log ]]
}

@test "status without a schedule says how to have one, with exit code 1" {
	in_world 1 <<'CODE'
"$W" schedule status
CODE
	assert_contains "$output" 'not installed'
	assert_contains "$output" 'schedule install daily'
}

@test "status shows schedule, days, next three runs and a cron that does not run" {
	in_world 1 <<'CODE'
"$W" schedule install '30 4 29 2 *' 9
"$W" schedule status
CODE
	assert_contains "$output" '(30 4 29 2 *)'
	assert_contains "$output" 'backups of the last 9 days'
	assert_equal "$(grep -c '29 Feb 20[0-9][0-9] 04:30' <<<"$output")" 3
	assert_contains "$output" 'cron daemon  does not run'
}

drilled() { # TIMESTAMP GOOD PROBLEM: keeps the result of a drill beside a backup
	local folder=$backups/whisperengine_backup_$1
	jq -n --argjson good "$2" --arg problem "$3" --arg backup "$(sha256sum <"$folder/manifest.json" | cut -c 1-64)" \
		--arg when "$(date -u +%FT%TZ)" '{format: 1, backup: $backup, good: $good, read: {when: $when, good: true, seconds: 1,
		problem: null, stores: []}, drill: {when: $when, good: $good, seconds: 1, problem: $problem, stores: []}}' >"$folder/verified.json"
}

@test "install --drill: the job says so, and the status too" {
	in_world 1 <<'CODE'
"$W" schedule install weekly 9 --drill
crontab -l | grep -c "schedule run 9 --drill$"
"$W" schedule status
CODE
	assert_contains "$errors" 'drilled each week'
	assert_equal "$(sed -n 1p <<<"$output")" 1
	assert_contains "$output" 'backups of the last 9 days'
	assert_contains "$output" 'drills       a backup each week'
}

@test "a drill that went badly is wrong in the status, and one that went well is not" {
	local backup
	backup=$(days_ago 0)
	make_backup "$backup"
	drilled "$backup" false 'Redis: it has died'
	in_world 1 <<'CODE'
"$W" schedule install daily
cron
"$W" schedule status
CODE
	assert_contains "$output" 'just now: it would not come back'
	assert_contains "$output" 'Redis: it has died'
	drilled "$backup" true ''
	in_world 0 <<'CODE'
"$W" schedule install daily
cron
"$W" schedule status
CODE
	assert_contains "$output" 'just now: it would come back'
}

@test "with cron running, a fresh complete backup and no run due, the status is good" {
	make_backup "$(days_ago 0)"
	in_world 0 <<'CODE'
"$W" schedule install daily
cron
"$W" schedule status
CODE
	assert_contains "$output" 'last run     none yet'
	assert_contains "$output" 'newest good  '
	assert_contains "$output" 'just now'
	refute_contains "$output" '⚠️'
}

@test "missed runs are counted" {
	make_backup "$(days_ago 0)"
	in_world 1 <<'CODE'
"$W" schedule install daily
cron
crontab -l | sed "s/# installed [^ ]*/# installed $(date -u -d '3 days ago' +%FT%TZ)/" | crontab -
"$W" schedule status
CODE
	assert_contains "$output" 'were missed since'
}

@test "a run that was killed is told" {
	make_backup "$(days_ago 0)"
	mkdir -p backups
	jq -n '{started: now | floor, finished: 0, process: 4194303, exit_code: 0, summary: ""}' >backups/.last_run.json
	in_world 1 <<'CODE'
"$W" schedule install daily
cron
"$W" schedule status
CODE
	assert_contains "$output" 'never ended'
}

@test "a damaged note of the last run is told, and the rest still shown" {
	mkdir -p backups
	echo 'not json' >backups/.last_run.json
	in_world 1 <<'CODE'
"$W" schedule install daily
"$W" schedule status
CODE
	assert_contains "$output" 'is damaged'
	assert_contains "$output" 'next runs'
}

@test "the log is put aside when it is full, and only one old log is kept" {
	mkdir -p backups
	head -c 1100000 /dev/zero >backups/backup.log
	echo old >backups/backup.log.1
	program 1 schedule run 30
	assert_equal "$(stat -c %s backups/backup.log.1)" 1100000
	assert_contains "$(cat backups/backup.log)" 'scheduled backup of'
	[[ $(stat -c %s backups/backup.log) -lt 10000 ]]
}

@test "a failed run says one line to whoever called it, so that cron mails it" {
	program 1 schedule run 30
	assert_equal "$output" ''
	assert_contains "$errors" 'whisperbackup: scheduled backup of'
	assert_contains "$errors" 'Docker not running'
}

@test "a failed backup is not followed by a cleanup" {
	make_backup "$(days_ago 100)"
	make_backup "$(days_ago 90)"
	program 1 schedule run 30
	assert_equal "$(backup_folders | wc -l)" 2
}

@test "log and note are for the owner only" {
	program 1 schedule run 30
	assert_equal "$(stat -c '%a %n' backups/backup.log backups/.last_run.json)" "600 backups/backup.log
600 backups/.last_run.json"
}

@test "a log that is a symbolic link is not followed" {
	mkdir backups
	ln -s "$BATS_TEST_TMPDIR/elsewhere" backups/backup.log
	program 1 schedule run 30
	assert_contains "$errors" 'cannot write the log'
	[[ ! -e $BATS_TEST_TMPDIR/elsewhere ]]
}

@test "a run without a log goes on, says all on standard error, and the status tells" {
	mkdir -p backups/backup.log
	in_world 0 <<'CODE'
"$W" schedule install
! "$W" schedule trigger || exit 9
! "$W" schedule status || exit 9
CODE
	assert_contains "$errors" 'scheduled backup of'
	assert_contains "$errors" 'Docker not running'
	refute_contains "$errors" 'See ./backups/backup.log'
	assert_contains "$output" 'Docker not running'
	assert_contains "$output" 'the log could not be written: cannot write the log'
}

@test "with its standard input closed, install still keeps the crontab" {
	in_world 0 <<'CODE'
echo '1 1 * * * /usr/bin/true' | crontab -
"$W" schedule install <&-
crontab -l | head -n 1
"$W" schedule uninstall <&- >&- 2>&-
crontab -l
CODE
	assert_equal "$output" '1 1 * * * /usr/bin/true
1 1 * * * /usr/bin/true'
}

@test "an entry that was commented out is told, and can be replaced or removed" {
	in_world 0 <<'CODE'
"$W" schedule install
crontab -l | sed 's/^0 2/#0 2/' | crontab -
! "$W" schedule status || exit 9
"$W" schedule install weekly
crontab -l | grep -c '^0 2 . . 0 cd'
crontab -l | sed 's/^0 2/#0 2/' | crontab -
"$W" schedule uninstall
! crontab -l 2>/dev/null
CODE
	assert_contains "$output" 'no backup is made: the block of'
	assert_equal "$(tail -n 1 <<<"$output")" 1
}

@test "a crontab saved with other line ends is understood" {
	in_world 0 <<'CODE'
"$W" schedule install
crontab -l | sed $'s/$/\r/' | crontab -
"$W" schedule install weekly
crontab -l | grep -c 'schedule run'
"$W" schedule uninstall
CODE
	assert_equal "$output" 1
}

@test "carriage returns and backslashes in other lines are kept, although crontab lists them alike" {
	in_world 0 <<'CODE'
printf '1 1 * * * printf "a\\r\\n"\n# from elsewhere\r\n' | crontab -
before=$(tail -n +4 /var/spool/cron/crontabs/root | sha256sum)
"$W" schedule install
"$W" schedule uninstall
test "$(tail -n +4 /var/spool/cron/crontabs/root | sha256sum)" = "$before"
CODE
}

@test "each byte of other lines is kept, also a backspace, which crontab lists as a backslash and a b" {
	in_world 0 <<'CODE'
for i in $(seq 255); do
	[ $i -eq 10 ] || printf "# $i: \\$(printf %o $i) 1\n"
done >text
printf '1 1 * * * echo "\\b" "\\r" \b \r\n' >>text
crontab text
"$W" schedule install
"$W" schedule uninstall
tail -n +4 /var/spool/cron/crontabs/root | cmp - text
CODE
}

@test "comments at the top of a crontab that crontab has not written itself are kept, although it does not list them" {
	in_world 0 <<'CODE'
for top in '# one\n' '# one\n# two\n\n' '# one\n# two\n# three\n# four\n' '# DO NOT EDIT THIS FILE, please\n# (two)\n'; do
	printf "$top"'1 1 * * * /usr/bin/true\n' | tee text >/var/spool/cron/crontabs/root
	chmod 600 /var/spool/cron/crontabs/root
	"$W" schedule install
	"$W" schedule install weekly
	"$W" schedule uninstall
	tail -n +4 /var/spool/cron/crontabs/root | cmp - text
done
CODE
}

@test "what looks like crontab's own header is kept where crontab lists it" {
	in_world 0 <<'CODE'
printf '# DO NOT EDIT THIS FILE - edit the master and reinstall.\n# (mine)\n# (Cron version mine)\n1 1 * * * true\n' | tee text | crontab -
"$W" schedule install
"$W" schedule uninstall
crontab -l | cmp - text
CODE
}

@test "what the crontab sets above the block counts for trigger and status" {
	in_world 0 <<'CODE'
echo "BACKUP_DIR = $BATS_TEST_TMPDIR/elsewhere" | crontab -
mkdir "$BATS_TEST_TMPDIR/elsewhere"
"$W" schedule install
! "$W" schedule trigger || exit 9
! "$W" schedule status || exit 9
CODE
	[[ -s $BATS_TEST_TMPDIR/elsewhere/backup.log && ! -e backups ]]
	assert_contains "$output" ': failed: Docker not running'
}

@test "a BACKUP_DIR that the crontab sets above the block is the one that install makes, tells and warns of" {
	in_world 0 <<'CODE'
echo "BACKUP_DIR=$BATS_TEST_TMPDIR/elsewhere" | crontab -
"$W" schedule install
CODE
	[[ -d $BATS_TEST_TMPDIR/elsewhere ]]
	assert_contains "$errors" "log: $BATS_TEST_TMPDIR/elsewhere/backup.log"
	assert_contains "$errors" "your crontab sets BACKUP_DIR above this job, so for it too that is $BATS_TEST_TMPDIR/elsewhere, and not ./backups"
	assert_contains "$errors" 'move that line behind the block'
}

@test "a BACKUP_DIR that is given at install outweighs that of the crontab" {
	in_world 0 <<'CODE'
echo "BACKUP_DIR=$BATS_TEST_TMPDIR/elsewhere" | crontab -
BACKUP_DIR="$BATS_TEST_TMPDIR/mine" "$W" schedule install
CODE
	[[ ! -e $BATS_TEST_TMPDIR/elsewhere ]]
	assert_contains "$errors" "log: $BATS_TEST_TMPDIR/mine/backup.log"
	refute_contains "$errors" 'your crontab sets'
}

@test "install does not take a folder that others can change from the crontab" {
	mkdir -m 777 "$BATS_TEST_TMPDIR/elsewhere"
	in_world 0 <<'CODE'
echo "BACKUP_DIR=$BATS_TEST_TMPDIR/elsewhere" | crontab -
! "$W" schedule install || exit 9
crontab -l
CODE
	assert_equal "$output" "BACKUP_DIR=$BATS_TEST_TMPDIR/elsewhere"
	assert_contains "$errors" 'others can change the backups'
}

@test "the engine and the project that the crontab sets are those that install asks" {
	unset DOCKER_HOST
	in_world 0 <<'CODE'
printf 'DOCKER_HOST=unix:///elsewhere.sock\nCOMPOSE_PROJECT_NAME=other\n' | crontab -
"$W" schedule install
CODE
	assert_contains "$errors" 'nothing answers at /elsewhere.sock'
	assert_contains "$errors" 'your crontab sets DOCKER_HOST above this job'
	assert_contains "$errors" 'your crontab sets COMPOSE_PROJECT_NAME above this job'
}

@test "of two settings of one name in the crontab the last counts, as for cron" {
	mkdir "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/last"
	in_world 0 <<'CODE'
printf 'BACKUP_DIR=%s\n' "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/last" | crontab -
"$W" schedule install '* * * * *'
! "$W" schedule trigger || exit 9
! "$W" schedule status || exit 9
CODE
	assert_contains "$errors" "log: $BATS_TEST_TMPDIR/last/backup.log"
	[[ -s $BATS_TEST_TMPDIR/last/backup.log && ! -e $BATS_TEST_TMPDIR/first/backup.log ]]
	assert_contains "$output" ': failed: Docker not running'
}

@test "a trigger that does not get as far as the log says why" {
	echo 'a file' >backups
	in_world 1 <<'CODE'
"$W" schedule install daily
"$W" schedule trigger
CODE
	assert_contains "$errors" 'Not a directory'
	assert_contains "$errors" 'the run did not get as far as its log (exit code 1)'
}

@test "Ctrl-C at a trigger is handed on to the run, whose end is waited for" {
	deaf_engine
	in_world 130 <<'CODE'
eval "$listen"
"$W" schedule trigger &
until grep -q 'scheduled backup' backups/backup.log 2>/dev/null; do sleep 0.1; done
sleep 0.5
kill -INT $!
wait $!
CODE
	assert_contains "$(cat backups/backup.log)" 'failed: interrupted'
	assert_json "$(cat backups/.last_run.json)" .exit_code 130
}

@test "only one scheduled run is at work at a time" {
	mkdir backups
	exec 9>backups/.schedule.lock
	flock 9
	program 4 schedule run 30
	assert_contains "$errors" 'another scheduled backup is at work'
	[[ ! -e backups/backup.log ]]
}

@test "status tells a run that is at work, and one that is longer at work than the next is away" {
	make_backup "$(days_ago 0)"
	in_world 1 <<'CODE'
"$W" schedule install '* * * * *'
cron
exec 8>backups/.schedule.lock
flock 8
echo "{\"started\": $(date +%s), \"finished\": 0, \"process\": 1, \"exit_code\": 0, \"summary\": \"\"}" >backups/.last_run.json
"$W" schedule status | grep 'last run'
echo "{\"started\": $(date -d '3 minutes ago' +%s), \"finished\": 0, \"process\": 1, \"exit_code\": 0, \"summary\": \"\"}" >backups/.last_run.json
"$W" schedule status
CODE
	assert_contains "$output" 'still at work (process 1)'
	assert_contains "$output" 'still at work although the next run is due'
}

@test "a backup folder that was chosen and is not there is refused: its disk may not be mounted" {
	BACKUP_DIR=$BATS_TEST_TMPDIR/disk program 1 schedule run 30
	assert_contains "$errors" 'is not there'
	assert_contains "$errors" 'is its disk mounted?'
	[[ ! -e $BATS_TEST_TMPDIR/disk ]]
}

@test "status tells a backup folder that is not there" {
	in_world 1 <<'CODE'
BACKUP_DIR="$BATS_TEST_TMPDIR/disk" "$W" schedule install
rmdir "$BATS_TEST_TMPDIR/disk"
"$W" schedule status
CODE
	assert_contains "$output" 'is not there: is its disk mounted?'
}

@test "install makes the backup folder that was chosen" {
	in_world 0 <<'CODE'
BACKUP_DIR="$BATS_TEST_TMPDIR/disk" "$W" schedule install
CODE
	[[ -d $BATS_TEST_TMPDIR/disk ]]
}

cannot_write() { # PART of the reason: install warns of it, and has a hint
	assert_contains "$errors" 'automated backups installed'
	assert_contains "$errors" "⚠️  a run cannot write what it has to: $1"
	assert_contains "$errors" 'hint: ls -la ./backups shows whose it is'
}

@test "install warns of a backup folder that a run cannot write to" {
	mkdir backups
	in_world 0 <<'CODE'
mount -t tmpfs -o ro,mode=700 none backups
"$W" schedule install
CODE
	cannot_write "cannot write to the backup folder $project/backups: Read-only file system"
}

@test "install warns of a lock that a run cannot open" {
	mkdir -p backups/.schedule.lock
	in_world 0 <<'CODE'
"$W" schedule install
CODE
	cannot_write "cannot write to $project/backups/.schedule.lock: Is a directory"
}

@test "install warns of a log that a run cannot open" {
	mkdir -p backups/backup.log
	in_world 0 <<'CODE'
"$W" schedule install
CODE
	cannot_write "cannot write to $project/backups/backup.log: Is a directory"
}

# As another user, in a project of theirs that they can reach.
as_user='
mount -t tmpfs none /mnt
mkdir -p /mnt/project/backups /mnt/home
touch /mnt/project/compose.yaml
chown 65534:65534 /mnt/project /mnt/home
cd /mnt/project
export HOME=/mnt/home
as_user() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
'

@test "install warns of a lock that root has left in a backup folder of the user's" {
	project=/mnt/project
	in_world 0 <<CODE
$as_user
chown 65534:65534 backups
(umask 077 && touch backups/.lock)
as_user "\$W" schedule install
CODE
	cannot_write "cannot write to $project/backups/.lock: Permission denied"
}

@test "install warns of a backup folder that is root's" {
	project=/mnt/project
	in_world 0 <<CODE
$as_user
as_user "\$W" schedule install
CODE
	cannot_write "cannot write to the backup folder $project/backups: Permission denied"
}

@test "install leaves no log where there is none, and warns of nothing that can be written" {
	in_world 0 <<'CODE'
"$W" schedule install
CODE
	refute_contains "$errors" 'a run cannot write'
	[[ ! -e backups/backup.log ]]
}

@test "on a full disk the run still says that it failed" {
	in_world 1 <<'CODE'
mkdir "$BATS_TEST_TMPDIR/full"
mount -t tmpfs -o mode=700,size=64k none "$BATS_TEST_TMPDIR/full"
dd if=/dev/zero of="$BATS_TEST_TMPDIR/full/rest" bs=4k 2>/dev/null || true
BACKUP_DIR="$BATS_TEST_TMPDIR/full" "$W" schedule run 30
CODE
	assert_contains "$errors" 'whisperbackup: scheduled backup of'
	assert_contains "$errors" 'failed: '
}

@test "a path that is too long for cron gets a hint" {
	local part long
	part=$(printf 'x%.0s' {1..200})
	long=$project/$part/$part/$part/$part/$part
	mkdir -p "$long"
	touch "$long/compose.yaml"
	cd "$long"
	in_world 1 <<'CODE'
"$W" schedule install
CODE
	assert_contains "$errors" 'too long'
	assert_contains "$errors" 'hint: the folder'"'"'s path is too long for cron'
}

@test "a clock that was set back hides nothing and prints no negative times" {
	make_backup "$(days_ago 0)"
	in_world 0 <<'CODE'
"$W" schedule install daily
cron
now=$(date -d '1 minute ago' +%s)
echo "{\"started\": $now, \"finished\": $((now - 1000)), \"process\": 1, \"exit_code\": 0, \"summary\": \"done\"}" >backups/.last_run.json
"$W" schedule status
CODE
	assert_contains "$output" ': done, in 0.0 s'
}

@test "a TZ of the user's is no reason to miss runs: the schedule goes by the machine's zone" {
	local hour
	while [[ $(date +%M) == 59 ]]; do sleep 1; done
	hour=$(date -u -d '12 hours ago' +%-H)
	# There it was that hour an hour ago.
	export TZ=HERE-13 hour
	make_backup "$(days_ago 0)"
	jq -n --argjson at "$(date -u -d "$(date -u -d '12 hours ago' +'%F %H:00')" +%s)" \
		'{started: $at, finished: $at, process: 1, exit_code: 0, summary: "done"}' >backups/.last_run.json
	in_world 0 <<'CODE'
"$W" schedule install "0 $hour * * *"
cron
crontab -l | sed "s/# installed [^ ]*/# installed $(date -u -d '3 days ago' +%FT%TZ)/" | crontab -
"$W" schedule status
CODE
	assert_contains "$output" "next runs    $(date -d "$(date -u -d '12 hours' +'%F %H:00Z')" '+%a %e %b %Y %H:%M')"
	assert_contains "$errors" "next run: $(date -d "$(date -u -d '12 hours' +'%F %H:00Z')" '+%a %e %b %Y %H:%M')"
	assert_contains "$output" "moments are shown in that of TZ, HERE-13; the schedule goes by the machine's"
}

# --- how old the newest good backup is ----------------------------------------------------------------------------------

ran() { # SECONDS-AGO EXIT-CODE: a scheduled run that has ended, or a clock that was wrong
	mkdir -p "$backups"
	jq -n --argjson ago "$1" --argjson code "$2" '{started: (now - $ago | floor), finished: (now - $ago + 3 | floor), process: 1,
		exit_code: $code, summary: "done"}' >"$backups/.last_run.json"
}

# Of a schedule that has nothing else wrong with it.
schedule_status() { # EXPECTED-EXIT-STATUS
	in_world "$1" <<'CODE'
"$W" schedule install '0 0 1 1 *' 2>/dev/null
cron
"$W" schedule status
CODE
}

@test "a last run that went well but made no complete backup is wrong in the status, and the store is named that is missing" {
	make_backup "$(days_ago 8)"
	make_backup "$(date -d '1 minute ago' +%Y%m%d_%H%M%S)" postgresql chromadb neo4j
	ran 90 0
	schedule_status 1
	assert_contains "$output" "newest good  $(backup_folders | head -n 1), 8 days ago"
	assert_contains "$output" "⚠️  the last run made no complete backup: the newest complete one is of $(backup_folders | head -n 1), 8 days ago"
	assert_contains "$output" "$(backup_folders | tail -n 1): Redis skipped, not running"
	refute_contains "$output" 'PostgreSQL skipped'
}

@test "without any complete backup the status names the store that is missing in the newest one" {
	make_backup "$(days_ago 0)" postgresql chromadb neo4j
	schedule_status 1
	assert_contains "$output" 'there is no complete backup yet'
	assert_contains "$output" ': Redis skipped, not running'
}

@test "a complete backup of the last run is good in the status, also with a partial one after it" {
	make_backup "$(date -d '1 minute ago' +%Y%m%d_%H%M%S)"
	make_backup "$(days_ago 0)" postgresql
	ran 90 0
	schedule_status 0
	refute_contains "$output" '⚠️'
}

@test "a backup of the last run is known by its manifest where TZ makes another moment of its name" {
	local folder zone
	make_backup "$(date -d '1 minute ago' +%Y%m%d_%H%M%S)"
	folder=$backups/whisperengine_backup_$(backup_folders)
	jq --arg at "$(date -u -d '1 minute ago' +%FT%T.000Z)" '.started = $at' "$folder/manifest.json" >new
	mv new "$folder/manifest.json"
	(cd "$folder" && sha256sum manifest.json backup_info.txt ./*_backup.* >SHA256SUMS)
	ran 90 0
	for zone in EAST-12 WEST+12; do
		TZ=$zone schedule_status 0
		assert_contains "$output" ', 1 min ago'
	done
}

@test "the newest good backup is none that is known to be bad, and the status tells that it is" {
	local old new
	old=$(days_ago 3)
	new=$(days_ago 0)
	make_backup "$old"
	make_backup "$new"
	jq -n --arg backup "$(sha256sum <"$backups/whisperengine_backup_$new/manifest.json" | cut -c 1-64)" --arg when "$(date -u +%FT%TZ)" \
		'{format: 1, backup: $backup, good: false, read: {when: $when, good: false, seconds: 1, problem: "Redis: it is damaged",
		stores: []}, drill: null}' >"$backups/whisperengine_backup_$new/verified.json"
	schedule_status 1
	assert_contains "$output" "newest good  $old, 3 days ago"
	assert_contains "$output" "the newest complete backup, $new, is known to be bad: Redis: it is damaged"
}

@test "the newest good backup is none that is dated in the future, and the status tells that there is one" {
	local old new
	old=$(days_ago 3)
	new=$(days_ago -9)
	make_backup "$old"
	make_backup "$new"
	schedule_status 1
	assert_contains "$output" "newest good  $old, 3 days ago"
	assert_contains "$output" "the backup $new is dated in the future"
}

@test "a last run that is dated in the future is told, and hides no missed runs" {
	make_backup "$(days_ago 0)"
	ran -864000 0
	in_world 1 <<'CODE'
"$W" schedule install daily
cron
crontab -l | sed "s/# installed [^ ]*/# installed $(date -u -d '3 days ago' +%FT%TZ)/" | crontab -
"$W" schedule status
CODE
	assert_contains "$output" '⚠️  the last run is dated in the future: the clock was or is wrong'
	assert_contains "$output" 'were missed since'
	refute_contains "$output" 'made no complete backup'
}

# --- systemd --------------------------------------------------------------------------------------------------------

need_systemd() {
	if [[ ! -x /lib/systemd/systemd ]] || ! command -v systemctl >/dev/null; then skip "systemd is not installed"; fi
}

@test "install --systemd makes a timer that catches up, and a real systemd fires it" {
	need_systemd
	mv "$project" "$BATS_TEST_TMPDIR/it's 100% \"my\" \$HOME & \\co"
	project="$BATS_TEST_TMPDIR/it's 100% \"my\" \$HOME & \\co"
	cd "$project"
	in_world 0 <<'CODE'
start_systemd
"$W" schedule install --systemd '* * * * *' 7
cat "$HOME"/.config/systemd/user/*.timer
wait_for_run
"$W" schedule status || true
CODE
	assert_contains "$output" 'Persistent=true'
	assert_contains "$(cat backups/backup.log)" "scheduled backup of $project"
	assert_contains "$output" 'installed (systemd timer)'
	assert_contains "$output" 'timer        started'
	assert_contains "$output" ': failed: Docker not running'
}

@test "cron and systemd take each other's place, and uninstall knows both" {
	need_systemd
	in_world 0 <<'CODE'
start_systemd
"$W" schedule install daily
"$W" schedule install --systemd weekly
! crontab -l 2>/dev/null || exit 9
systemctl --user list-timers --all | grep -c whisperbackup
"$W" schedule install daily
crontab -l | grep -c 'schedule run'
systemctl --user list-timers --all | grep -c whisperbackup || true
"$W" schedule install --systemd weekly
"$W" schedule uninstall
find "$HOME/.config/systemd" -type f -o -type l
CODE
	assert_equal "$output" '1
1
0'
}

@test "an uninstall that cannot reach the systemd whose timer goes on says so, and how to stop it" {
	need_systemd
	in_world 0 <<'CODE'
start_systemd
"$W" schedule install --systemd weekly
timer=$(basename "$HOME"/.config/systemd/user/*.timer)
code=0
env -u XDG_RUNTIME_DIR -u DBUS_SESSION_BUS_ADDRESS "$W" schedule uninstall || code=$?
echo "exit code $code"
find "$HOME/.config/systemd" -type f
systemctl --user is-active "$timer"
systemctl --user stop "$timer"
systemctl --user is-active "$timer" || true
CODE
	assert_equal "$output" 'exit code 1
active
inactive'
	assert_contains "$errors" 'the timer itself may still make backups'
	assert_contains "$errors" "systemctl --user stop 'whisperbackup-"
	refute_contains "$errors" 'automated backups removed'
}

@test "a timer that has lost its unit is stopped by an uninstall" {
	need_systemd
	in_world 0 <<'CODE'
start_systemd
"$W" schedule install --systemd weekly
timer=$(basename "$HOME"/.config/systemd/user/*.timer)
rm "$HOME/.config/systemd/user/$timer"
"$W" schedule uninstall
! systemctl --user is-active --quiet "$timer" || exit 9
CODE
	assert_contains "$errors" 'automated backups removed'
}

@test "an uninstall of a timer does not hide that the crontab cannot be looked at" {
	need_systemd
	in_world 1 <<'CODE'
start_systemd
"$W" schedule install --systemd weekly
mkdir bin
printf '#!/bin/sh\necho "no peeking today" >&2\nexit 1\n' >bin/crontab
chmod +x bin/crontab
PATH=$PWD/bin:$PATH "$W" schedule uninstall
CODE
	assert_contains "$errors" 'no peeking today'
	assert_contains "$errors" 'the systemd timer is removed'
	refute_contains "$errors" 'automated backups removed'
	[[ -z $(find "$BATS_TEST_TMPDIR/home" -name '*.timer' -type f) ]]
}

@test "trigger with a timer runs its service" {
	need_systemd
	in_world 1 <<'CODE'
start_systemd
"$W" schedule install --systemd daily
"$W" schedule trigger
CODE
	assert_contains "$output" 'Docker not running'
}

@test "a timer that is installed again does not first make up for what was missed before" {
	need_systemd
	in_world 0 <<'CODE'
start_systemd
"$W" schedule install --systemd daily
"$W" schedule uninstall
find "$HOME" -path '*systemd/timers*' -name 'stamp-*'
"$W" schedule install --systemd daily
sleep 2
test ! -e backups/backup.log
CODE
	assert_equal "$output" ''
}

@test "where the clock is put forward tomorrow, status tells what a timer will do, and what cron will, whatever TZ says" {
	need_systemd
	# Not over midnight, nor over the time of the next run: what is tomorrow, and what comes next, would be another thing then.
	while [[ $(date -u +%H:%M) =~ ^(23|01|02):5[5-9]$ ]]; do sleep 1; done
	tomorrow=$(date -u -d tomorrow '+%a %e %b %Y')
	# A zone of our own, that of UTC today, without a 02:00 tomorrow.
	zone="Rule Once 2000 only - Jan 1 0:00 0 -
Rule Once $(date -u -d tomorrow +%Y) only - $(date -u -d tomorrow '+%b %-d') 2:00 1:00 -
Zone Machine 0 Once %z"
	export zone TZ=UTC0
	in_world 0 <<'CODE'
machine_zone "$zone"
(unset TZ; start_systemd)
systemctl --user set-environment TZ=FAR-11
"$W" schedule install --systemd daily
"$W" schedule status | grep -A 2 'next runs' || true
date -d "$(systemctl --user show --value --property NextElapseUSecRealtime "$(basename "$HOME"/.config/systemd/user/*.timer)")" '+really       %a %e %b %Y %H:%M'
"$W" schedule install daily
"$W" schedule status >cron-says || true
CODE
	refute_contains "$output" "$tomorrow"
	assert_equal "$(sed -n '1s/.*runs  *//p' <<<"$output")" "$(sed -n 's/really  *//p' <<<"$output")"
	assert_contains "$(cat cron-says)" "$tomorrow 02:00" # which is 03:00 on the machine's clock
}

@test "an install that fails leaves the earlier timer" {
	need_systemd
	in_world 0 <<'CODE'
start_systemd
"$W" schedule install --systemd weekly
mkdir -p "$BATS_TEST_TMPDIR/bin"
printf '#!/bin/sh\ncase "$*" in *enable*) exit 1 ;; esac\nexec %s "$@"\n' "$(command -v systemctl)" >"$BATS_TEST_TMPDIR/bin/systemctl"
chmod +x "$BATS_TEST_TMPDIR/bin/systemctl"
! PATH="$BATS_TEST_TMPDIR/bin:$PATH" "$W" schedule install --systemd daily || exit 9
"$W" schedule status | sed -n 2p || true
CODE
	assert_contains "$output" 'every Sunday at 02:00'
}

@test "without a systemd of the user's, --systemd says so and leaves nothing behind" {
	in_world 1 <<'CODE'
export XDG_RUNTIME_DIR=/nonexistent
"$W" schedule install --systemd
CODE
	assert_contains "$errors" 'systemd timers of your own cannot be used here'
	assert_contains "$errors" 'hint: leave out --systemd'
	[[ -z $(find "$BATS_TEST_TMPDIR/home" -type f) ]]
}
