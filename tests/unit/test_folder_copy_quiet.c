/* snapshot/folder_copy and pipeline/tar: folders in which nothing happens, packed by us, unpacked by us and by GNU tar.
 */
#include "tar_support.h"

#include <locale.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/xattr.h>

static int attributes_trouble; /* errno of each look for extended attributes; 0: none */

ssize_t llistxattr(const char *path, char *list, size_t size)
{
	errno = attributes_trouble;
	return attributes_trouble != 0 ? -1 : syscall(SYS_llistxattr, path, list, size);
}

/* Packs SCRATCH/src, unpacks it into SCRATCH/out, and compares the two. */
static void round_trip(const char *scratch)
{
	struct error error;
	struct buffer archive = packed(at(scratch, "src"), "chroma/chroma");
	make_folder(at(scratch, "out"));
	assert_ok(unpack(&archive, "chroma/chroma", at(scratch, "out"), &error), &error);
	buffer_free(&archive);
	assert_same_trees(at(scratch, "src"), at(scratch, "out"));
}

/* Packs SCRATCH/src, lets GNU tar unpack it, which must not say a word, and compares. Without the option it sets a
 * folder's time before files come that belong in it but stand further behind. */
static void round_trip_of_gnu_tar(const char *scratch)
{
	struct buffer archive = packed(at(scratch, "src"), "data");
	write_bytes(at(scratch, "archive.tar"), archive.data, archive.length);
	buffer_free(&archive);
	char *output = shell(
		NULL, "cd '%s' && mkdir out && tar -xpf archive.tar --numeric-owner --delay-directory-restore -C out 2>&1",
		scratch);
	assert_string_equal(output, "");
	free(output);
	assert_same_trees(at(scratch, "src"), at(scratch, "out/data"));
}

/* --- what comes back ---------------------------------------------------------------------------------------------- */

static void an_empty_folder_comes_back(void **state)
{
	make_source(*state, "true");
	round_trip(*state);
}

static void empty_folders_inside_come_back(void **state)
{
	make_source(*state, "mkdir -p a/b/c d");
	round_trip(*state);
}

static void a_file_of_0_bytes_comes_back(void **state)
{
	make_source(*state, "touch empty");
	round_trip(*state);
}

static void files_about_the_size_of_a_block_come_back(void **state)
{
	make_source(*state, "for n in 1 511 512 513 1023 1024 1025 262143 262144 262145 1048577; "
						"do head -c $n /dev/urandom >f$n; done");
	round_trip(*state);
}

static void modes_come_back(void **state)
{
	make_source(*state, "touch b c d e; chmod 640 b; chmod 1755 c; chmod 711 d; chmod 777 e; "
						"mkdir f h; chmod 1777 f; chmod 2770 h; touch h/inside");
	round_trip(*state);
}

static void modes_that_shut_out_their_owner_come_back(void **state)
{
	if (geteuid() != 0) {
		skip();
	}
	make_source(*state, "touch a; chmod 000 a; mkdir g h; touch g/inside h/inside; chmod 500 g; chmod 000 h");
	round_trip(*state);
}

/* The program runs with this mask, so that nothing it makes is open to others. */
static void modes_come_back_under_a_strict_umask(void **state)
{
	make_source(*state, "touch a; chmod 666 a; mkdir b; chmod 777 b; chmod 755 .");
	mode_t mask = umask(077);
	round_trip(*state);
	umask(mask);
}

static void the_mode_of_the_folder_itself_comes_back(void **state)
{
	make_source(*state, "chmod 2750 .");
	round_trip(*state);
}

static void owners_come_back(void **state)
{
	if (geteuid() != 0) {
		skip();
	}
	make_source(*state, "touch a b; mkdir c; ln -s a d; chown 999:1000 a; chown 7474:0 b c; chown -h 70:70 d .");
	round_trip(*state);
}

static void owners_beyond_what_an_old_header_holds_come_back(void **state)
{
	if (geteuid() != 0) {
		skip();
	}
	make_source(*state, "touch a; chown 4000000000:3000000 a");
	round_trip(*state);
}

static void times_come_back(void **state)
{
	make_source(*state, "mkdir b; touch b/c; touch -d '2001-02-03 04:05:06' a b/c; touch -d '1999-12-31 23:59:59' b; "
						"ln -s a s; touch -h -d '2005-05-05 05:05:05' s; touch -d '1969-07-20 20:17:40' moon; "
						"touch -d '2100-01-01' late");
	round_trip(*state);
}

static void symbolic_links_come_back(void **state)
{
	make_source(*state, "touch file; ln -s file a; ln -s /nowhere/at/all b; ln -s ../../outside c; mkdir d; ln -s d e; "
						"ln -s $(printf 'x%.0s' $(seq 300)) f; ln -s 'with space' g");
	round_trip(*state);
}

static void hard_links_come_back(void **state)
{
	make_source(*state, "echo text >a; ln a b; mkdir c; ln a c/d; ln -s a s; ln s t; touch e; ln e f");
	round_trip(*state);
}

static void a_file_with_a_link_outside_of_the_folder_comes_back(void **state)
{
	make_source(*state, "echo text >a; ln a ../other");
	struct error error;
	struct buffer archive = packed(at(*state, "src"), "data");
	make_folder(at(*state, "out"));
	assert_ok(unpack(&archive, "data", at(*state, "out"), &error), &error);
	buffer_free(&archive);
	assert_file_is(at(*state, "out/a"), "text\n");
}

static void a_fifo_comes_back(void **state)
{
	make_source(*state, "mkfifo -m 640 a");
	round_trip(*state);
}

static void names_with_odd_characters_come_back(void **state)
{
	make_source(*state,
				"touch ' ' 'a b' \"$(printf 'new\\nline')\" \"$(printf 'tab\\t')\" 'quote\"' \"it's\" 'back\\slash' "
				"'*' -- -dash .dot ..dots ...; mkdir ' d '; touch ' d /x'");
	round_trip(*state);
}

static void names_in_unicode_come_back(void **state)
{
	make_source(*state, "mkdir мир; touch caf\xc3\xa9 мир/記憶 🐘; ln -s 記憶 мир/link; ln 🐘 🐫");
	round_trip(*state);
}

static void names_that_are_no_unicode_come_back(void **state)
{
	make_source(*state, "touch \"$(printf 'caf\\351')\" \"$(printf '\\377\\376')\"");
	round_trip(*state);
}

static void names_over_100_characters_come_back(void **state)
{
	make_source(*state, "d=$(printf 'd%.0s' $(seq 120)); mkdir $d; touch $d/$(printf 'f%.0s' $(seq 101)); "
						"touch $(printf 'g%.0s' $(seq 99)) $(printf 'g%.0s' $(seq 100)) $(printf 'g%.0s' $(seq 101))");
	round_trip(*state);
}

static void names_over_255_characters_come_back(void **state)
{
	make_source(*state, "a=$(printf 'a%.0s' $(seq 255)); mkdir -p $a/$a/$a; touch $a/$a/$a/$a; ln $a/$a/$a/$a $a/link; "
						"ln -s $a/$a short");
	round_trip(*state);
}

static void names_in_unicode_over_100_characters_come_back(void **state)
{
	make_source(*state, "a=$(printf '記%.0s' $(seq 80)); mkdir $a; touch $a/$a; ln -s $a/$a link; ln $a/$a hard; "
						"ln $a/$a $a/hard");
	round_trip(*state);
}

static void names_that_are_no_unicode_over_100_characters_come_back(void **state)
{
	make_source(*state, "a=$(printf '\\351%.0s' $(seq 120)); mkdir $a; touch $a/$a");
	round_trip(*state);
}

/* What cannot be looked at is not taken for what is not there; the file system may have none, or the file be gone. */
static void attributes_that_cannot_be_read_are_a_failure(void **state)
{
	static const int none[] = {ENOTSUP, ENOENT, ENOTDIR, ELOOP};
	struct error error;
	struct folder_copy *copy = NULL;
	uint64_t bytes = 0;
	make_source(*state, "touch file");
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		attributes_trouble = none[i];
		struct buffer archive = packed(at(*state, "src"), "data");
		buffer_free(&archive);
	}
	assert_ok(folder_copy_of(at(*state, "src"), "data", at(*state, "archive"), &copy, &error), &error);
	attributes_trouble = EIO;
	enum status status = folder_copy_catch_up(copy, NULL, &bytes, &error);
	attributes_trouble = 0;
	folder_copy_free(copy);
	assert_status(STATUS_FAILED, status, &error);
	assert_non_null(strstr(error.message, "cannot read the extended attributes of "));
	assert_non_null(strstr(error.message, ": Input/output error"));
}

/* --- holes -------------------------------------------------------------------------------------------------------- */

static const char make_sparse[] = "printf head >a; truncate -s 20M a; printf tail >>a; truncate -s 5M b; "
								  "truncate -s 1M c; head -c 70000 /dev/urandom >>c; truncate -s 9M c";

static void assert_few_blocks(const char *path, blkcnt_t most)
{
	blkcnt_t blocks = attributes_of(path).st_blocks;
	if (blocks > most) {
		print_error("%s has %lld blocks\n", path, (long long)blocks);
	}
	assert_true(blocks <= most);
}

static void files_with_holes_come_back(void **state)
{
	make_source(*state, make_sparse);
	round_trip(*state);
}

static void holes_come_back_as_holes(void **state)
{
	make_source(*state, make_sparse);
	if (attributes_of(at(*state, "src/b")).st_blocks > 0) {
		skip(); /* a filesystem without holes */
	}
	round_trip(*state);
	/* 20, 5 and 9 MB; a block of TREE_BLOCK_SIZE is a hole as a whole or not at all. */
	assert_few_blocks(at(*state, "out/a"), 2048 + 64);
	assert_few_blocks(at(*state, "out/b"), 2048 + 64);
	assert_few_blocks(at(*state, "out/c"), 2048 + 64);
}

static void holes_are_not_in_the_archive(void **state)
{
	make_source(*state, make_sparse);
	if (attributes_of(at(*state, "src/b")).st_blocks > 0) {
		skip();
	}
	struct buffer archive = packed(at(*state, "src"), "data");
	assert_in_range(archive.length, 70000, 3200000);
	buffer_free(&archive);
}

static void a_file_with_holes_and_two_names_comes_back(void **state)
{
	make_source(*state, "truncate -s 1M a; echo text >>a; ln a b");
	round_trip(*state);
}

/* --- what is left out --------------------------------------------------------------------------------------------- */

static void a_socket_is_left_out(void **state)
{
	make_source(*state, "touch a z");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	assert_true(snprintf(address.sun_path, sizeof address.sun_path, "%s", at(*state, "src/socket")) <
				(int)sizeof address.sun_path);
	int server = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(server, (const struct sockaddr *)&address, sizeof address), 0);
	close(server);
	struct buffer archive = packed(at(*state, "src"), "data");
	write_bytes(at(*state, "archive.tar"), archive.data, archive.length);
	buffer_free(&archive);
	char *names = shell(NULL, "tar tf '%s/archive.tar' 2>&1", (char *)*state);
	assert_string_equal(names, "data/\ndata/a\ndata/z\n");
	free(names);
}

static void what_is_ours_at_the_top_is_left_out(void **state)
{
	make_source(*state, "mkdir .whisperbackup-restore .whisperbackup-other; touch .whisperbackup-restore/x a");
	struct buffer archive = packed(at(*state, "src"), "data");
	write_bytes(at(*state, "archive.tar"), archive.data, archive.length);
	buffer_free(&archive);
	char *names = shell(NULL, "tar tf '%s/archive.tar' 2>&1", (char *)*state);
	assert_string_equal(names, "data/\ndata/a\n");
	free(names);
}

static void what_is_named_like_ours_further_down_is_kept(void **state)
{
	make_source(*state, "mkdir -p a/.whisperbackup-restore; touch a/.whisperbackup-restore/x .whisperbackup");
	round_trip(*state);
}

/* --- what GNU tar says -------------------------------------------------------------------------------------------- */

static void gnu_tar_lists_folders_before_what_is_in_them_and_links_last(void **state)
{
	make_source(*state, "mkdir -p b/c; touch -d @3 a; touch -d @1 b/c/d; touch -d @2 b-x; touch -d @4 z; ln z y; "
						"ln -s a x; touch -h -d @0 x");
	struct buffer archive = packed(at(*state, "src"), "chroma/chroma");
	write_bytes(at(*state, "archive.tar"), archive.data, archive.length);
	buffer_free(&archive);
	char *names = shell(NULL, "tar tf '%s/archive.tar' 2>&1", (char *)*state);
	assert_string_equal(names, "chroma/chroma/\nchroma/chroma/b/\nchroma/chroma/b/c/\nchroma/chroma/x\n"
							   "chroma/chroma/b/c/d\nchroma/chroma/b-x\nchroma/chroma/a\nchroma/chroma/y\n"
							   "chroma/chroma/z\n");
	free(names);
}

static void gnu_tar_unpacks_files_links_and_folders(void **state)
{
	make_source(*state, "mkdir -p a/b; echo text >a/f; ln a/f a/b/g; ln -s ../f a/b/s; chmod 4711 a/f; chmod 1777 a/b; "
						"touch -d '2001-02-03 04:05:06' a/f a/b a");
	round_trip_of_gnu_tar(*state);
}

static void gnu_tar_unpacks_owners(void **state)
{
	if (geteuid() != 0) {
		skip();
	}
	make_source(*state, "touch a b; chown 999:1000 a; chown 3000000:3000000 b");
	round_trip_of_gnu_tar(*state);
}

static void gnu_tar_unpacks_long_names(void **state)
{
	make_source(*state, "a=$(printf 'a%.0s' $(seq 200)); mkdir -p $a/$a; touch $a/$a/f; ln -s $a/$a/f s; ln $a/$a/f h");
	round_trip_of_gnu_tar(*state);
}

static void gnu_tar_unpacks_long_names_in_unicode(void **state)
{
	make_source(*state, "a=$(printf '記%.0s' $(seq 80)); mkdir -p $a; touch $a/$a caf\xc3\xa9");
	round_trip_of_gnu_tar(*state);
}

static void gnu_tar_unpacks_files_with_holes(void **state)
{
	make_source(*state, make_sparse);
	round_trip_of_gnu_tar(*state);
}

static void gnu_tar_unpacks_extended_attributes_without_a_warning(void **state)
{
	char value[16] = {0};
	make_source(*state, "touch file");
	if (setxattr(at(*state, "src/file"), "user.note", "text", 4, 0) != 0 && errno == ENOTSUP) {
		skip();
	}
	struct buffer archive = packed(at(*state, "src"), "data");
	write_bytes(at(*state, "archive.tar"), archive.data, archive.length);
	buffer_free(&archive);
	char *output = shell(NULL, "cd '%s' && mkdir out && tar --xattrs -xpf archive.tar -C out 2>&1", (char *)*state);
	assert_string_equal(output, "");
	free(output);
	assert_int_equal(getxattr(at(*state, "out/data/file"), "user.note", value, sizeof value), 4);
}

static void tar_xzf_unpacks_a_compressed_archive(void **state)
{
	make_source(*state, "for i in 1 2 3; do head -c 150000 /dev/urandom >r$i; head -c 1500000 /dev/zero >z$i; done");
	(void)pack_into(at(*state, "archive.tar.gz"), at(*state, "src"), "data");
	char *output = shell(NULL, "cd '%s' && mkdir out && tar -xzpf archive.tar.gz -C out 2>&1", (char *)*state);
	assert_string_equal(output, "");
	free(output);
	assert_same_trees(at(*state, "src"), at(*state, "out/data"));
}

static void the_bytes_of_all_files_are_counted(void **state)
{
	make_source(*state, "head -c 1000 /dev/zero >a; head -c 234 /dev/zero >b; mkdir c; touch c/d; ln a e");
	struct folder_copy_result result = pack_into(at(*state, "archive.tar.gz"), at(*state, "src"), "data");
	assert_int_equal(result.bytes, 1234);
	assert_true(result.direct);
}

static void a_folder_that_is_not_there_is_refused(void **state)
{
	struct error error;
	struct folder_copy *copy = NULL;
	assert_status(STATUS_FAILED, folder_copy_of(at(*state, "src"), "data", at(*state, "archive.tar.gz"), &copy, &error),
				  &error);
}

static void an_archive_that_is_there_already_is_not_touched(void **state)
{
	struct error error;
	struct folder_copy *copy = NULL;
	make_source(*state, "true");
	write_file(at(*state, "archive.tar.gz"), "precious");
	assert_status(STATUS_FAILED, folder_copy_of(at(*state, "src"), "data", at(*state, "archive.tar.gz"), &copy, &error),
				  &error);
	assert_file_is(at(*state, "archive.tar.gz"), "precious");
}

int main(void)
{
	/* As main does it: to libarchive, names are what the locale says. */
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	const struct CMUnitTest tests[] = {
		scratch_test(an_empty_folder_comes_back),
		scratch_test(empty_folders_inside_come_back),
		scratch_test(a_file_of_0_bytes_comes_back),
		scratch_test(files_about_the_size_of_a_block_come_back),
		scratch_test(modes_come_back),
		scratch_test(modes_that_shut_out_their_owner_come_back),
		scratch_test(modes_come_back_under_a_strict_umask),
		scratch_test(the_mode_of_the_folder_itself_comes_back),
		scratch_test(owners_come_back),
		scratch_test(owners_beyond_what_an_old_header_holds_come_back),
		scratch_test(times_come_back),
		scratch_test(symbolic_links_come_back),
		scratch_test(hard_links_come_back),
		scratch_test(a_file_with_a_link_outside_of_the_folder_comes_back),
		scratch_test(a_fifo_comes_back),
		scratch_test(names_with_odd_characters_come_back),
		scratch_test(names_in_unicode_come_back),
		scratch_test(names_that_are_no_unicode_come_back),
		scratch_test(names_over_100_characters_come_back),
		scratch_test(names_over_255_characters_come_back),
		scratch_test(names_in_unicode_over_100_characters_come_back),
		scratch_test(names_that_are_no_unicode_over_100_characters_come_back),
		scratch_test(attributes_that_cannot_be_read_are_a_failure),
		scratch_test(files_with_holes_come_back),
		scratch_test(holes_come_back_as_holes),
		scratch_test(holes_are_not_in_the_archive),
		scratch_test(a_file_with_holes_and_two_names_comes_back),
		scratch_test(a_socket_is_left_out),
		scratch_test(what_is_ours_at_the_top_is_left_out),
		scratch_test(what_is_named_like_ours_further_down_is_kept),
		scratch_test(gnu_tar_lists_folders_before_what_is_in_them_and_links_last),
		scratch_test(gnu_tar_unpacks_files_links_and_folders),
		scratch_test(gnu_tar_unpacks_owners),
		scratch_test(gnu_tar_unpacks_long_names),
		scratch_test(gnu_tar_unpacks_long_names_in_unicode),
		scratch_test(gnu_tar_unpacks_files_with_holes),
		scratch_test(gnu_tar_unpacks_extended_attributes_without_a_warning),
		scratch_test(tar_xzf_unpacks_a_compressed_archive),
		scratch_test(the_bytes_of_all_files_are_counted),
		scratch_test(a_folder_that_is_not_there_is_refused),
		scratch_test(an_archive_that_is_there_already_is_not_touched),
	};
	return cmocka_run_group_tests_name("folder_copy_quiet", tests, NULL, NULL);
}
