#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# Disks that really fail: file systems of their own in files, with a quota, on a device that has promised more room than it
# has (a thin volume, a virtual machine's disk), on one that cannot be read in places, or on one that is pulled out.

load helpers

stores=postgresql,redis,chromadb

setup_file() {
	[[ $(id -u) == 0 ]] || skip 'a file system can be mounted by root alone'
	stack_up
	seed postgresql redis chromadb
}

setup() {
	disk=$BATS_TEST_TMPDIR/disk
	room=$BATS_TEST_TMPDIR/room
	mkdir "$disk" "$room"
	volume=''
}

teardown() {
	if [[ -n $volume ]]; then
		container_is chromadb exited || stop_services chromadb
		umount "$volume"
	fi
	unmount 2>/dev/null || true
	stack_up
	quietly "$WHISPERBACKUP" recover
}

unmount() {
	umount "$disk"
	umount --lazy "$room" # the loop device lets go of it a moment later
}

mount_image() { # TYPE [MKFS-OPTION..]: $room/image at $disk
	"mkfs.$1" -q "${@:2}" "$room/image" >/dev/null
	mount -o loop "$room/image" "$disk" || skip "this system mounts no $1 from a file"
	chmod 700 "$disk"
}

# Gone and back, with nothing of it in memory. A container that starts meanwhile has a copy of every mount for a moment;
# until that is gone, mounting would bring back the file system as it was, shut down.
plug_in() {
	local tries=600
	umount "$disk"
	while [[ -n $(losetup --associated "$room/image") ]]; do
		((tries-- > 0)) || fail 'the disk does not come free'
		sleep 0.1
	done
	mount -o loop "$room/image" "$disk"
}

# A file system of half a GiB on a device that can keep so much of it. Without a journal, and with its tables written at
# once, it goes on when something cannot be written.
mount_thin() { # MEGABYTES
	mount -t tmpfs -o "size=$1m" none "$room" || skip 'no tmpfs can be mounted here'
	truncate -s 512M "$room/image"
	mount_image ext4 -O ^has_journal -N 4096 -E lazy_itable_init=0
}

nothing_is_listed() {
	assert_equal "$(find "$BACKUP_DIR" -mindepth 1 -maxdepth 1 -name 'whisperengine_backup_*')" ''
}

nothing_stands_still() {
	assert_all_running
	assert_nothing_paused
}

# --- the backup folder ------------------------------------------------------------------------------------------------

@test "a quota that is used up ends the backup with a word about it, wherever that is, and nothing is listed" {
	local kilobytes refused=0
	command -v mkfs.btrfs >/dev/null || skip 'there is no mkfs.btrfs'
	truncate -s 512M "$room/image"
	mount_image btrfs
	btrfs quota enable "$disk"
	for ((kilobytes = 100; ; kilobytes *= 4)); do
		btrfs subvolume create "$disk/$kilobytes" >/dev/null
		chmod 700 "$disk/$kilobytes"
		btrfs qgroup limit "${kilobytes}K" "$disk/$kilobytes"
		export BACKUP_DIR=$disk/$kilobytes
		run --separate-stderr "$WHISPERBACKUP" create --only $stores
		nothing_stands_still
		[[ $status -ne 3 && $status -ne 0 ]] || break
		assert_equal "$status" 1
		assert_contains "$stderr" 'Disk quota exceeded'
		assert_contains "$stderr" 'hint: '
		nothing_is_listed
		assert_nothing_partial
		refused=$((refused + 1))
	done
	((refused >= 2)) || fail 'the quota was never used up'
	program 0 verify latest
}

@test "a disk that has promised more room than it has is found out before a backup is listed" {
	local megabytes refused=0
	for ((megabytes = 4; megabytes < 1000; megabytes *= 3)); do
		mount_thin "$megabytes"
		export BACKUP_DIR=$disk
		run --separate-stderr "$WHISPERBACKUP" create --only $stores
		nothing_stands_still
		if [[ $status -eq 0 ]]; then
			plug_in # so that nothing is read from memory that is not on the disk
			program 0 verify latest
			break
		fi
		assert_equal "$status" 1
		[[ $stderr == *'No space left'* || $stderr == *'Input/output error'* ]] || fail "$stderr"
		nothing_is_listed
		refused=$((refused + 1))
		unmount
	done
	((refused >= 1 && status == 0)) || fail "the disk was full $refused times" "$stderr"
}

place_of() { # FILE: where on the device it begins, in bytes
	filefrag -b1 -v "$1" | sed -n 's/^ *0: *0\.\. *[0-9]*: *\([0-9]*\)\.\..*/\1/p'
}

# Gives the file other places, until all the others lie before it.
move_to_the_end() { # FILE
	local other number=0
	for other in "${1%/*}"/*; do
		while [[ $other != "$1" && $(place_of "$1") -lt $(place_of "$other") ]]; do
			number=$((number + 1))
			cp -a "$1" "$disk/.more" # what is in the way stays
			mv "$1" "$disk/.before-$number"
			mv "$disk/.more" "$1"
			sync -f "$1"
		done
	done
}

@test "a backup on a disk that cannot be read in places is said to be unreadable, and no restore begins with it" {
	local file place
	truncate -s 512M "$room/image"
	mount_image ext4 -O ^has_journal -E lazy_itable_init=0
	export BACKUP_DIR=$disk
	quietly "$WHISPERBACKUP" create --only $stores
	file=$(backup_path)/chromadb_backup.tar.gz
	sync -f "$disk"
	move_to_the_end "$file"
	place=$(place_of "$file")
	plug_in # so that all has to be read from the disk
	truncate -s $((place + 100000)) "$room/image" # the device keeps its size, but has nothing behind that place
	live_fingerprint >"$BATS_TEST_TMPDIR/before"
	program 1 restore latest --yes --no-safety-backup
	assert_contains "$errors" 'Input/output error'
	assert_fingerprint "$BATS_TEST_TMPDIR/before"
	nothing_stands_still
	program 5 verify latest
	assert_contains "$errors" 'Input/output error'
}

# As with a disk whose cable is pulled: from then on every call fails with EIO, and what was not flushed is lost.
pull_out() {
	# shellcheck disable=SC2016
	perl -e 'open(my $folder, "<", $ARGV[0]) or die "$!\n"; my $without_its_journal = pack("L", 2);
		ioctl($folder, 0x8004587d, $without_its_journal) or die "$!\n"' "$disk" || # EXT4_IOC_SHUTDOWN
		skip 'this file system cannot be shut down'
}

draft_has() { # FILE
	compgen -G "$disk/.partial-*/$1*" >/dev/null
}

listed() {
	"$WHISPERBACKUP" list --json | jq '.backups | length'
}

@test "a disk that is pulled out while a backup is made lists what was whole, and nothing else" {
	local file before status try failed=0
	truncate -s 1G "$room/image"
	mount_image ext4
	export BACKUP_DIR=$disk
	quietly "$WHISPERBACKUP" create --only $stores
	for file in '' postgresql_backup.sql chromadb_backup.tar.gz redis_backup.rdb manifest.json; do
		for ((try = 1; try <= 10; try++)); do # its last file is there for a moment only
			before=$(listed)
			start_program create --only $stores
			! hold_soon_after draft_has "$file" || break
			wait "$running" || true
			running=''
			sleep 1 # the next one has another name
		done
		[[ -n $running ]] || fail "it has always ended before it could be held at $file"
		pull_out
		let_go
		status=0
		wait "$running" || status=$?
		running=''
		nothing_stands_still
		if [[ $status -ne 0 ]]; then
			failed=$((failed + 1))
			assert_equal "$status" 1
			assert_contains "$(cat "$BATS_TEST_TMPDIR/err")" 'Input/output error'
		fi
		plug_in
		[[ $(listed) -eq $((before + (status == 0))) ]] || fail "at ${file:-the beginning}: $(listed) of $before, exit status $status"
		program 0 verify --all
		sleep 1 # the next one has another name
	done
	((failed >= 3)) || fail "it failed only $failed times"
	program 0 create --only $stores
	assert_nothing_partial
}

@test "a disk that is pulled out just after a backup was made has it" {
	truncate -s 512M "$room/image"
	mount_image ext4
	export BACKUP_DIR=$disk
	quietly "$WHISPERBACKUP" create --only $stores
	pull_out
	plug_in
	[[ $(listed) -eq 1 ]] || fail "$(listed) are listed"
	program 0 verify latest
}

# --- a volume ---------------------------------------------------------------------------------------------------------

back_up_and_stop_chromadb() { # sets $data: the folder of its volume
	data=$(docker inspect --format '{{range .Mounts}}{{if eq .Destination "/chroma/chroma"}}{{.Source}}{{end}}{{end}}' "$(container chromadb)")
	[[ -d $data ]] || skip 'the volumes cannot be reached from here'
	quietly "$WHISPERBACKUP" create --only redis,chromadb
	stop_services chromadb
}

start_chromadb_on_disk() { # with the data of its volume, and something that the backup does not have
	cp -a "$data/." "$disk/"
	sync -f "$disk"
	volume=$data
	mount --bind "$disk" "$volume"
	start_services chromadb
	chroma_post '' '{"name":"sample_live"}' >/dev/null
}

@test "where a volume's disk has promised more room than it has, a restore leaves all as it was" {
	back_up_and_stop_chromadb
	mount_thin $(($(du -sm "$data" | cut -f1) + 12)) # room for a few more, but not for the data once more
	start_chromadb_on_disk
	live_fingerprint >"$BATS_TEST_TMPDIR/before"
	program 1 restore latest --yes --no-safety-backup --only redis,chromadb
	assert_contains "$errors" 'everything is as it was before'
	assert_fingerprint "$BATS_TEST_TMPDIR/before"
	nothing_stands_still
	assert_no_leftovers
}

@test "a volume's disk that is pulled out while data is restored: all is as it was, when it is there again" {
	back_up_and_stop_chromadb
	truncate -s 1G "$room/image"
	mount_image ext4
	start_chromadb_on_disk
	live_data >"$BATS_TEST_TMPDIR/before"
	start_program restore latest --yes --no-safety-backup --only redis,chromadb
	hold_soon_after test -e "$disk/.whisperbackup-restore/old"
	pull_out
	let_go
	ends_with 1
	assert_contains "$errors" 'then call recover'
	container_is chromadb exited || stop_services chromadb
	umount "$volume"
	plug_in
	mount --bind "$disk" "$volume"
	start_services chromadb
	program 0 recover
	assert_equal "$(live_data)" "$(cat "$BATS_TEST_TMPDIR/before")"
	nothing_stands_still
	assert_no_leftovers
}

live_data() { # without when services were started
	live_fingerprint | sed 's/ running .*//'
}
