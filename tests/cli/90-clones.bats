#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2154
# File systems that can clone a file (FICLONE): the copies of a folder in use, on real ones in an image file.

load helpers

setup() {
	[[ $(id -u) == 0 ]] || skip 'a file system can be mounted by root alone'
	programs=$(dirname "$WHISPERBACKUP")/tests
	[[ -x $programs/test_block_compare ]] || skip 'the unit tests are not built'
	here=$BATS_TEST_TMPDIR/mounted
	mkdir "$here"
}

teardown() {
	umount "$here" 2>/dev/null || true
}

mount_new() { # TYPE
	command -v "mkfs.$1" >/dev/null || skip "there is no mkfs.$1"
	truncate -s 400M "$BATS_TEST_TMPDIR/image"
	"mkfs.$1" -q "$BATS_TEST_TMPDIR/image" >/dev/null
	mount -o loop "$BATS_TEST_TMPDIR/image" "$here" || skip "this system mounts no $1 from a file"
}

assert_clones() { # none of them may be skipped for want of clones
	TMPDIR=$here CMOCKA_MESSAGE_OUTPUT=TAP "$programs/test_block_compare" >"$BATS_TEST_TMPDIR/said" 2>&1 ||
		fail "$(cat "$BATS_TEST_TMPDIR/said")"
	grep -q '^ok .* where_the_file_system_clones_a_large_file' "$BATS_TEST_TMPDIR/said" ||
		fail "$(cat "$BATS_TEST_TMPDIR/said")"
	TMPDIR=$here CMOCKA_MESSAGE_OUTPUT=TAP "$programs/test_folder_copy" >"$BATS_TEST_TMPDIR/said" 2>&1 ||
		fail "$(cat "$BATS_TEST_TMPDIR/said")"
}

@test "XFS: large files are cloned in the moment, and the copies are right" {
	mount_new xfs
	assert_clones
}

@test "btrfs: large files are cloned in the moment, and the copies are right" {
	mount_new btrfs
	assert_clones
}
