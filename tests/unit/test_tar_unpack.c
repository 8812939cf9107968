/* pipeline/tar: unpacking other programs' archives, and refusing what is damaged or leads out of the folder. */
#include "tar_support.h"

#include "pipeline/gzip.h"

#include <sched.h>
#include <sys/syscall.h>

/* Unpacks an archive that has to be refused into SCRATCH/out; nothing but that folder may have changed. */
static void assert_refused_bytes(const char *scratch, const void *bytes, size_t length)
{
	struct error error;
	if (!exists(at(scratch, "out"))) {
		make_folder(at(scratch, "out"));
	}
	assert_status(STATUS_DAMAGED, unpack_bytes(bytes, length, "data", at(scratch, "out"), &error), &error);
}

/* The same, with an archive that is then freed. */
static void assert_refused(const char *scratch, struct buffer *archive)
{
	assert_refused_bytes(scratch, archive->data, archive->length);
	buffer_free(archive);
}

static struct buffer new_archive(void)
{
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '5', "data/", NULL, NULL);
	return archive;
}

static struct buffer small_archive(void)
{
	struct buffer archive = new_archive();
	raw_entry(&archive, '0', "data/a", NULL, "content of a");
	raw_entry(&archive, '0', "data/b", NULL, "content of b");
	return archive;
}

/* --- archives of other programs ----------------------------------------------------------------------------------- */

static void the_archives_that_these_tests_make_by_hand_are_read(void **state)
{
	struct error error;
	struct buffer archive = small_archive();
	raw_entry(&archive, '1', "data/hard", "data/a", NULL);
	raw_entry(&archive, '2', "data/soft", "a", NULL);
	raw_zeros(&archive, 2);
	make_folder(at(*state, "out"));
	assert_ok(unpack(&archive, "data", at(*state, "out"), &error), &error);
	assert_file_is(at(*state, "out/hard"), "content of a");
	assert_file_is(at(*state, "out/soft"), "content of a");
	assert_file_is(at(*state, "out/b"), "content of b");
	buffer_free(&archive);
}

static const char make_tree[] =
	"mkdir -p a/b/empty; echo text >a/f; ln a/f a/b/g; ln -s ../f a/b/s; chmod 711 a/f; touch zero; "
	"chmod 3777 a/b; printf x >sparse; truncate -s 3M sparse; printf y >>sparse; mkfifo fifo; "
	"l=$(printf 'l%.0s' $(seq 180)); mkdir $l; echo long >$l/$l; ln -s $l/$l longlink; "
	"touch -d '2001-02-03 04:05:06' a/f a/b a";

/* GNU tar packs "data", which we unpack; its options tell the format. */
static void assert_unpacks_gnu_tar(const char *scratch, const char *options, const char *name)
{
	struct error error;
	make_folder(at(scratch, "data"));
	run_in(at(scratch, "data"), make_tree);
	shell_ok("cd '%s' && tar %s -cf archive.tar %s", scratch, options, name);
	size_t length = 0;
	char *bytes = read_file(at(scratch, "archive.tar"), &length);
	make_folder(at(scratch, "out"));
	assert_ok(unpack_bytes(bytes, length, "data", at(scratch, "out"), &error), &error);
	free(bytes);
	assert_same_trees(at(scratch, "data"), at(scratch, "out"));
}

static void an_archive_of_gnu_tar_is_unpacked(void **state)
{
	assert_unpacks_gnu_tar(*state, "", "data");
}

static void an_archive_of_gnu_tar_with_holes_is_unpacked(void **state)
{
	assert_unpacks_gnu_tar(*state, "-S", "data");
}

static void an_archive_of_gnu_tar_in_pax_format_is_unpacked(void **state)
{
	assert_unpacks_gnu_tar(*state, "-S --format=pax", "data");
}

static void an_archive_whose_names_begin_with_a_dot_and_slash_is_unpacked(void **state)
{
	assert_unpacks_gnu_tar(*state, "", "./data");
}

static void slashes_behind_the_dot_of_a_name_do_not_make_it_absolute(void **state)
{
	struct error error;
	make_folder(at(*state, "out"));
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '5', ".//", NULL, NULL);
	raw_entry(&archive, '5', ".//data//", NULL, NULL);
	raw_entry(&archive, '0', "././//data/a", NULL, "text");
	raw_entry(&archive, '1', "data/hard", ".//data/a", NULL);
	raw_zeros(&archive, 2);
	assert_ok(unpack(&archive, "data", at(*state, "out"), &error), &error);
	assert_file_is(at(*state, "out/hard"), "text");
	buffer_free(&archive);
}

static void an_archive_of_a_single_block_size_is_unpacked(void **state)
{
	assert_unpacks_gnu_tar(*state, "-b 1", "data");
}

static void holes_of_gnu_tar_come_back_as_holes(void **state)
{
	assert_unpacks_gnu_tar(*state, "-S", "data");
	if (attributes_of(at(*state, "data/sparse")).st_blocks > 64) {
		skip(); /* a filesystem without holes */
	}
	assert_in_range(attributes_of(at(*state, "out/sparse")).st_blocks, 0, 64);
}

/* A program that is somebody else's would run as him, on the machine itself. */
static void files_set_no_user_or_group(void **state)
{
	struct error error;
	make_folder(at(*state, "data"));
	run_in(at(*state, "data"),
		   "mkdir a; echo x >a/user; echo x >a/group; echo x >a/twin; ln a/twin a/other; mkfifo a/pipe; "
		   "chmod 4711 a/user a/twin a/pipe; chmod 2755 a/group; chmod 2775 a");
	for (const char *const *options = (const char *const[]){"", "--format=pax", "--format=ustar", NULL};
		 *options != NULL; options++) {
		shell_ok("cd '%s' && tar %s -cf archive.tar data", (const char *)*state, *options);
		size_t length = 0;
		char *bytes = read_file(at(*state, "archive.tar"), &length);
		make_folder(at(*state, "out"));
		assert_ok(unpack_bytes(bytes, length, "data", at(*state, "out"), &error), &error);
		free(bytes);
		assert_int_equal(attributes_of(at(*state, "out/a")).st_mode & 07777, 02775);
		assert_int_equal(attributes_of(at(*state, "out/a/user")).st_mode & 07777, 0711);
		assert_int_equal(attributes_of(at(*state, "out/a/group")).st_mode & 07777, 0755);
		assert_int_equal(attributes_of(at(*state, "out/a/other")).st_mode & 07777, 0711);
		assert_int_equal(attributes_of(at(*state, "out/a/pipe")).st_mode & 07777, 0711);
		shell_ok("rm -r '%s/out'", (const char *)*state);
	}
}

/* The guide's command: docker-compose exec chromadb tar czf - /chroma/chroma */
static void folders_above_the_wanted_one_are_passed_over(void **state)
{
	struct error error;
	make_folder(at(*state, "out"));
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '5', "chroma/", NULL, NULL);
	raw_entry(&archive, '5', "chroma/chroma/", NULL, NULL);
	raw_entry(&archive, '0', "chroma/chroma/a", NULL, "text");
	raw_zeros(&archive, 20);
	assert_ok(unpack(&archive, "chroma/chroma", at(*state, "out"), &error), &error);
	buffer_free(&archive);
	assert_file_is(at(*state, "out/a"), "text");
}

static void a_target_behind_a_symbolic_link_is_unpacked_into(void **state)
{
	struct error error;
	shell_ok("cd '%s' && mkdir -p real/out && ln -s real link", (char *)*state);
	struct buffer archive = small_archive();
	raw_zeros(&archive, 2);
	assert_ok(unpack(&archive, "data", at(*state, "link/out"), &error), &error);
	buffer_free(&archive);
	assert_file_is(at(*state, "real/out/a"), "content of a");
}

static void a_target_that_is_not_there_is_a_failure(void **state)
{
	struct error error;
	struct buffer archive = small_archive();
	raw_zeros(&archive, 2);
	assert_status(STATUS_FAILED, unpack(&archive, "data", at(*state, "nothing"), &error), &error);
	buffer_free(&archive);
}

/* So that a drill can tell it from a bad archive. */
static void an_archive_that_cannot_be_read_is_no_word_against_its_content(void **state)
{
	struct error error;
	struct source *file = NULL;
	struct source *tar = NULL;
	make_folder(at(*state, "out"));
	assert_ok(file_source_new(at(*state, "out"), &file, &error), &error);
	assert_ok(gzip_source_new(file, &tar, &error), &error);
	enum status status = tar_unpack(tar, "data", at(*state, "out"), NULL, &error);
	source_free(tar);
	assert_status(STATUS_FAILED, status, &error);
	assert_true(error.blameless);
}

/* --- what leads out ----------------------------------------------------------------------------------------------- */

static void unpack_refuses_a_path_that_goes_up(void **state)
{
	struct buffer archive = new_archive();
	raw_entry(&archive, '0', "data/../x", NULL, "bad");
	raw_zeros(&archive, 2);
	assert_refused(*state, &archive);
	assert_false(exists(at(*state, "x")));
}

static void unpack_refuses_a_path_that_begins_by_going_up(void **state)
{
	struct buffer archive = new_archive();
	raw_entry(&archive, '0', "../x", NULL, "bad");
	raw_zeros(&archive, 2);
	assert_refused(*state, &archive);
	assert_false(exists(at(*state, "x")));
}

static void unpack_refuses_a_path_that_goes_up_at_its_end(void **state)
{
	struct buffer archive = new_archive();
	raw_entry(&archive, '5', "data/a/..", NULL, NULL);
	raw_zeros(&archive, 2);
	assert_refused(*state, &archive);
}

static void unpack_takes_names_that_only_begin_with_two_dots(void **state)
{
	struct error error;
	struct buffer archive = new_archive();
	raw_entry(&archive, '0', "data/..a", NULL, "good");
	raw_entry(&archive, '0', "data/...", NULL, "good");
	raw_zeros(&archive, 2);
	make_folder(at(*state, "out"));
	assert_ok(unpack(&archive, "data", at(*state, "out"), &error), &error);
	buffer_free(&archive);
	assert_file_is(at(*state, "out/..a"), "good");
}

static void unpack_refuses_an_absolute_path(void **state)
{
	struct buffer archive = new_archive();
	raw_entry(&archive, '0', at(*state, "x"), NULL, "bad");
	raw_zeros(&archive, 2);
	assert_refused(*state, &archive);
	assert_false(exists(at(*state, "x")));
}

static void unpack_refuses_devices(void **state)
{
	static const char types[] = {'3', '4'}; /* character, block */
	for (size_t i = 0; i < sizeof types; i++) {
		struct buffer archive = new_archive();
		raw_entry(&archive, types[i], "data/device", NULL, NULL);
		raw_zeros(&archive, 2);
		assert_refused(*state, &archive);
		assert_false(exists(at(*state, "out/device")));
	}
}

static void unpack_refuses_a_path_through_a_symbolic_link(void **state)
{
	make_folder(at(*state, "outside"));
	struct buffer archive = new_archive();
	raw_entry(&archive, '2', "data/link", at(*state, "outside"), NULL);
	raw_entry(&archive, '0', "data/link/x", NULL, "bad");
	raw_zeros(&archive, 2);
	assert_refused(*state, &archive);
	assert_false(exists(at(*state, "outside/x")));
}

static void unpack_refuses_a_path_through_a_relative_symbolic_link(void **state)
{
	make_folder(at(*state, "outside"));
	struct buffer archive = new_archive();
	raw_entry(&archive, '5', "data/a/", NULL, NULL);
	raw_entry(&archive, '2', "data/a/link", "../../outside", NULL);
	raw_entry(&archive, '0', "data/a/link/x", NULL, "bad");
	raw_zeros(&archive, 2);
	assert_refused(*state, &archive);
	assert_false(exists(at(*state, "outside/x")));
}

static void unpack_refuses_a_folder_through_a_symbolic_link(void **state)
{
	make_folder(at(*state, "outside"));
	struct buffer archive = new_archive();
	raw_entry(&archive, '2', "data/link", at(*state, "outside"), NULL);
	raw_entry(&archive, '5', "data/link/x/", NULL, NULL);
	raw_zeros(&archive, 2);
	assert_refused(*state, &archive);
	assert_false(exists(at(*state, "outside/x")));
}

/* A folder entry of the link's name must not be taken for the folder that the link leads to. */
static void unpack_writes_nothing_through_a_symbolic_link_that_is_also_a_folder(void **state)
{
	struct error error;
	make_folder(at(*state, "outside"));
	make_folder(at(*state, "out"));
	struct buffer archive = new_archive();
	raw_entry(&archive, '2', "data/link", at(*state, "outside"), NULL);
	raw_entry(&archive, '5', "data/link/", NULL, NULL);
	raw_entry(&archive, '0', "data/link/x", NULL, "bad");
	raw_zeros(&archive, 2);
	(void)!unpack(&archive, "data", at(*state, "out"), &error);
	buffer_free(&archive);
	assert_false(exists(at(*state, "outside/x")));
}

static void unpack_does_not_write_into_the_target_of_a_symbolic_link_of_the_same_name(void **state)
{
	struct error error;
	write_file(at(*state, "precious"), "precious");
	make_folder(at(*state, "out"));
	struct buffer archive = new_archive();
	raw_entry(&archive, '2', "data/x", at(*state, "precious"), NULL);
	raw_entry(&archive, '0', "data/x", NULL, "bad");
	raw_zeros(&archive, 2);
	(void)!unpack(&archive, "data", at(*state, "out"), &error);
	buffer_free(&archive);
	assert_file_is(at(*state, "precious"), "precious");
}

static void unpack_refuses_a_hard_link_that_goes_up(void **state)
{
	write_file(at(*state, "precious"), "precious");
	struct buffer archive = new_archive();
	raw_entry(&archive, '1', "data/x", "data/../../precious", NULL);
	raw_zeros(&archive, 2);
	assert_refused(*state, &archive);
	assert_false(exists(at(*state, "out/x")));
}

static void unpack_refuses_a_hard_link_to_an_absolute_path(void **state)
{
	write_file(at(*state, "precious"), "precious");
	struct buffer archive = new_archive();
	raw_entry(&archive, '1', "data/x", at(*state, "precious"), NULL);
	raw_zeros(&archive, 2);
	assert_refused(*state, &archive);
	assert_false(exists(at(*state, "out/x")));
}

static void unpack_refuses_a_hard_link_to_something_outside_of_the_wanted_folder(void **state)
{
	struct buffer archive = new_archive();
	raw_entry(&archive, '1', "data/x", "other/x", NULL);
	raw_zeros(&archive, 2);
	assert_refused(*state, &archive);
}

static void unpack_refuses_a_hard_link_through_a_symbolic_link(void **state)
{
	make_folder(at(*state, "outside"));
	write_file(at(*state, "outside/precious"), "precious");
	struct buffer archive = new_archive();
	raw_entry(&archive, '2', "data/link", at(*state, "outside"), NULL);
	raw_entry(&archive, '1', "data/x", "data/link/precious", NULL);
	raw_zeros(&archive, 2);
	assert_refused(*state, &archive);
	assert_int_equal(attributes_of(at(*state, "outside/precious")).st_nlink, 1);
}

static void unpack_refuses_a_hard_link_to_nothing(void **state)
{
	struct error error;
	struct buffer archive = new_archive();
	raw_entry(&archive, '1', "data/x", "data/nothing", NULL);
	raw_zeros(&archive, 2);
	make_folder(at(*state, "out"));
	assert_true(unpack(&archive, "data", at(*state, "out"), &error) != STATUS_OK);
	buffer_free(&archive);
}

static void unpack_refuses_an_entry_outside_of_the_wanted_folder(void **state)
{
	struct buffer archive = new_archive();
	raw_entry(&archive, '0', "other/x", NULL, "bad");
	raw_zeros(&archive, 2);
	assert_refused(*state, &archive);
}

static void unpack_refuses_an_entry_whose_name_only_begins_like_the_wanted_folder(void **state)
{
	struct buffer archive = new_archive();
	raw_entry(&archive, '0', "database", NULL, "bad");
	raw_zeros(&archive, 2);
	assert_refused(*state, &archive);
}

static void unpack_refuses_an_entry_without_a_name(void **state)
{
	struct buffer archive = new_archive();
	raw_entry(&archive, '0', "", NULL, "bad");
	raw_zeros(&archive, 2);
	assert_refused(*state, &archive);
}

/* Whoever moves the unpacked folder's entries afterwards would move those of the link's target. */
static void unpack_refuses_an_archive_whose_top_is_a_symbolic_link(void **state)
{
	struct error error;
	make_folder(at(*state, "outside"));
	make_folder(at(*state, "out"));
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '2', "data", at(*state, "outside"), NULL);
	raw_zeros(&archive, 2);
	enum status status = unpack(&archive, "data", at(*state, "out"), &error);
	buffer_free(&archive);
	assert_status(STATUS_DAMAGED, status, &error);
}

static void unpack_leaves_the_target_a_folder_whatever_the_top_is(void **state)
{
	struct error error;
	make_folder(at(*state, "outside"));
	make_folder(at(*state, "out"));
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '2', "data", at(*state, "outside"), NULL);
	raw_zeros(&archive, 2);
	(void)!unpack(&archive, "data", at(*state, "out"), &error);
	buffer_free(&archive);
	assert_true(S_ISDIR(attributes_of(at(*state, "out")).st_mode));
}

static void unpack_refuses_an_archive_whose_top_is_a_file(void **state)
{
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '0', "data", NULL, "a file");
	raw_zeros(&archive, 2);
	assert_refused(*state, &archive);
}

/* --- damage ------------------------------------------------------------------------------------------------------- */

static void unpack_refuses_an_archive_without_an_end_marker(void **state)
{
	struct buffer archive = small_archive();
	assert_refused(*state, &archive);
}

static void unpack_refuses_half_an_end_marker(void **state)
{
	struct buffer archive = small_archive();
	raw_zeros(&archive, 1);
	assert_refused(*state, &archive);
}

static void unpack_refuses_an_end_marker_that_is_one_byte_short(void **state)
{
	struct buffer archive = small_archive();
	raw_zeros(&archive, 2);
	archive.length--;
	assert_refused(*state, &archive);
}

/* GNU tar's old form of a file with holes: its one piece begins at an offset, the file has a size. */
static void raw_piece(struct buffer *archive, const char *name, unsigned offset, unsigned size)
{
	raw_entry(archive, 'S', name, NULL, "a piece");
	char *header = archive->data + archive->length - 2 * TAR_BLOCK;
	memcpy(header + 257, "ustar  ", 8);
	snprintf(header + 386, 12, "%011o", offset);
	snprintf(header + 398, 12, "%011o", (unsigned)strlen("a piece"));
	snprintf(header + 483, 12, "%011o", size);
	raw_sum(header);
}

static void unpack_takes_a_piece_within_a_file(void **state)
{
	struct error error;
	struct buffer archive = new_archive();
	raw_piece(&archive, "data/holes", 4096, 8192);
	raw_zeros(&archive, 2);
	make_folder(at(*state, "out"));
	assert_ok(unpack_bytes(archive.data, archive.length, "data", at(*state, "out"), &error), &error);
	assert_int_equal(attributes_of(at(*state, "out/holes")).st_size, 8192);
	buffer_free(&archive);
}

static void unpack_refuses_a_piece_beyond_the_end_of_a_file(void **state)
{
	struct buffer archive = new_archive();
	raw_piece(&archive, "data/holes", 12 << 20, 8192);
	raw_zeros(&archive, 2);
	assert_refused(*state, &archive);
}

/* The last file's own zeros are no end marker. */
static void unpack_refuses_an_archive_that_ends_in_a_file_of_zeros(void **state)
{
	struct buffer archive = new_archive();
	raw_header(&archive, '0', "data/zeros", NULL, 4 * TAR_BLOCK);
	raw_zeros(&archive, 4);
	assert_refused(*state, &archive);
}

static void unpack_refuses_an_archive_that_is_cut_anywhere(void **state)
{
	struct buffer archive = small_archive();
	raw_zeros(&archive, 2);
	for (size_t length = 0; length < archive.length; length += 97) {
		assert_refused_bytes(*state, archive.data, length);
	}
	buffer_free(&archive);
}

/* Every cut of a stream of pax headers, links and holes, at each block and beside it. */
static void unpack_refuses_our_own_archive_that_is_cut_at_any_block(void **state)
{
	make_source(*state, make_tree);
	struct buffer archive = packed(at(*state, "src"), "data");
	for (size_t length = 0; length < archive.length; length += TAR_BLOCK) {
		shell_ok("rm -rf '%s/out'", (char *)*state);
		assert_refused_bytes(*state, archive.data, length);
	}
	buffer_free(&archive);
}

static void unpack_refuses_garbage_behind_the_end_marker(void **state)
{
	struct error error;
	struct buffer archive = small_archive();
	raw_zeros(&archive, 2);
	assert_ok(buffer_append(&archive, "garbage", 7, &error), &error);
	assert_refused(*state, &archive);
}

static void unpack_refuses_another_archive_behind_the_end_marker(void **state)
{
	struct buffer archive = small_archive();
	raw_zeros(&archive, 2);
	raw_entry(&archive, '0', "data/c", NULL, "more");
	raw_zeros(&archive, 2);
	assert_refused(*state, &archive);
}

static void unpack_refuses_a_lone_block_of_zeros_between_entries(void **state)
{
	struct buffer archive = small_archive();
	raw_zeros(&archive, 1);
	raw_entry(&archive, '0', "data/c", NULL, "more");
	raw_zeros(&archive, 2);
	assert_refused(*state, &archive);
}

static void unpack_takes_any_number_of_zeros_behind_the_end_marker(void **state)
{
	struct error error;
	struct buffer archive = small_archive();
	raw_zeros(&archive, 1000);
	make_folder(at(*state, "out"));
	assert_ok(unpack(&archive, "data", at(*state, "out"), &error), &error);
	buffer_free(&archive);
}

static void unpack_refuses_a_header_with_any_bit_flipped(void **state)
{
	struct buffer archive = small_archive();
	raw_zeros(&archive, 2);
	char *header = archive.data + TAR_BLOCK;
	make_folder(at(*state, "out"));
	for (size_t bit = 0; bit < (size_t)TAR_BLOCK * 8; bit++) {
		struct error error;
		header[bit / 8] ^= (char)(1 << bit % 8);
		enum status status = unpack(&archive, "data", at(*state, "out"), &error);
		/* In the sum's own field a zero in front may become a blank, and what is behind the digits does not count. */
		if (status != STATUS_DAMAGED && (bit / 8 < 148 || bit / 8 > 155)) {
			print_error("bit %zu of byte %zu of the header: status %d\n", bit % 8, bit / 8, (int)status);
			fail();
		}
		header[bit / 8] ^= (char)(1 << bit % 8);
	}
	buffer_free(&archive);
}

static void unpack_refuses_an_empty_stream(void **state)
{
	assert_refused_bytes(*state, "", 0);
}

static void unpack_refuses_a_text(void **state)
{
	char *text = malloc(5000);
	assert_non_null(text);
	memset(text, 'x', 5000);
	assert_refused_bytes(*state, text, 5000);
	free(text);
}

/* gzip takes a file that is cut between two members for a whole one: it is the tar stream that has no end then. */
static void unpack_refuses_a_compressed_archive_that_is_cut_between_members(void **state)
{
	struct error error;
	size_t size = 0;
	make_source(*state, "for i in 1 2 3 4; do head -c 140000 /dev/urandom >r$i; done; head -c 1500000 /dev/urandom >s");
	(void)pack_into(at(*state, "archive.tar.gz"), at(*state, "src"), "data");
	char *file = read_file(at(*state, "archive.tar.gz"), &size);
	size_t members = 0;
	for (size_t offset = 0; offset < size; members++) {
		struct source *source = NULL;
		shell_ok("rm -rf '%s/out' && mkdir '%s/out'", (char *)*state, (char *)*state);
		assert_ok(gzip_source_new(drip(file, offset, 100000), &source, &error), &error);
		enum status status = tar_unpack(source, "data", at(*state, "out"), NULL, &error);
		source_free(source);
		assert_status(STATUS_DAMAGED, status, &error);
		uint32_t length = 0;
		memcpy(&length, file + offset + 16, sizeof length);
		offset += length;
	}
	assert_true(members >= 5);
	free(file);
}

static enum status interrupted_read(struct source *source, void *bytes, size_t capacity, size_t *ret_length,
									struct error *error)
{
	(void)source;
	(void)bytes;
	(void)capacity;
	(void)ret_length;
	return error_set(error, STATUS_INTERRUPTED, "stop");
}

static void unpack_hands_on_the_failure_of_what_it_reads(void **state)
{
	static const struct source_ops ops = {.read = interrupted_read};
	struct source source = {.ops = &ops};
	struct error error;
	assert_status(STATUS_INTERRUPTED, tar_unpack(&source, "data", *state, NULL, &error), &error);
	assert_string_equal(error.message, "stop");
}

/* --- the folder that is unpacked into ----------------------------------------------------------------------------- */

static int forbidden; /* errno of unshare(2); 0: it is allowed */

int unshare(int flags)
{
	errno = forbidden;
	return forbidden != 0 ? -1 : (int)syscall(SYS_unshare, flags);
}

/* Reads as drip does, and after its third read SCRATCH/own has been exchanged for a symbolic link. */
struct exchanging_source {
	struct drip_source drip;
	const char *scratch;
	unsigned reads;
};

static enum status exchanging_read(struct source *source, void *bytes, size_t capacity, size_t *ret_length,
								   struct error *error)
{
	struct exchanging_source *self = (struct exchanging_source *)source;
	if (++self->reads == 3) {
		shell_ok("cd '%s' && mv own moved && ln -s outside own", self->scratch);
	}
	return drip_read(source, bytes, capacity, ret_length, error);
}

static void nothing_follows_a_link_that_comes_in_the_place_of_a_folder_above(void **state)
{
	static const struct source_ops ops = {.read = exchanging_read};
	struct error error;
	make_source(*state, make_tree);
	shell_ok("cd '%s' && mkdir -p own/new outside/new", (char *)*state);
	struct buffer archive = packed(at(*state, "src"), "data");
	struct exchanging_source source = {
		.drip = {.source = {.ops = &ops}, .bytes = archive.data, .left = archive.length, .step = TAR_BLOCK},
		.scratch = *state};
	CLEANUP(cleanup_free) char *before = getcwd(NULL, 0);
	assert_ok(tar_unpack(&source.drip.source, "data", at(*state, "own/new"), NULL, &error), &error);
	CLEANUP(cleanup_free) char *after = getcwd(NULL, 0);
	assert_string_equal(after, before);
	assert_same_trees(at(*state, "src"), at(*state, "moved/new"));
	assert_int_equal(rmdir(at(*state, "outside/new")), 0);
	buffer_free(&archive);
}

/* As by the list of calls that Docker allows a container. */
static void where_no_thread_may_have_its_own_folder_the_path_is_taken(void **state)
{
	struct error error;
	make_source(*state, make_tree);
	make_folder(at(*state, "out"));
	struct buffer archive = packed(at(*state, "src"), "data");
	forbidden = EPERM;
	enum status status = unpack(&archive, "data", at(*state, "out"), &error);
	forbidden = 0;
	assert_ok(status, &error);
	assert_same_trees(at(*state, "src"), at(*state, "out"));
	buffer_free(&archive);
}

static void the_path_is_not_taken_if_it_leads_elsewhere_by_then(void **state)
{
	struct error error;
	make_source(*state, make_tree);
	shell_ok("cd '%s' && mkdir out elsewhere", (char *)*state);
	struct buffer archive = packed(at(*state, "src"), "data");
	CLEANUP(cleanup_close) int fd = open(at(*state, "out"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct source *source = drip(archive.data, archive.length, 100000);
	forbidden = EPERM;
	enum status status = tar_unpack_at(source, "data", fd, at(*state, "elsewhere"), NULL, &error);
	forbidden = 0;
	source_free(source);
	assert_status(STATUS_FAILED, status, &error);
	assert_non_null(strstr(error.message, "/elsewhere has been exchanged for another folder"));
	assert_int_equal(rmdir(at(*state, "elsewhere")), 0);
	assert_int_equal(rmdir(at(*state, "out")), 0);
	buffer_free(&archive);
}

static void a_thread_that_gets_no_folder_of_its_own_is_a_failure(void **state)
{
	struct error error;
	struct buffer archive = small_archive();
	raw_zeros(&archive, 2);
	make_folder(at(*state, "out"));
	forbidden = ENOMEM;
	enum status status = unpack(&archive, "data", at(*state, "out"), &error);
	forbidden = 0;
	assert_status(STATUS_NO_MEMORY, status, &error);
	assert_int_equal(rmdir(at(*state, "out")), 0);
	buffer_free(&archive);
}

/* --- entry by entry ----------------------------------------------------------------------------------------------- */

static void the_reader_tells_files_from_folders(void **state)
{
	(void)state;
	struct error error;
	struct tar_entry entry;
	bool ended = true;
	struct buffer archive = small_archive();
	raw_zeros(&archive, 2);
	struct source *source = drip(archive.data, archive.length, 100);
	CLEANUP(cleanup_tar_reader) struct tar_reader *reader = NULL;
	assert_ok(tar_reader_new(source, &reader, &error), &error);
	assert_ok(tar_reader_next(reader, &entry, &ended, &error), &error);
	assert_false(ended);
	assert_string_equal(entry.path, "data");
	assert_true(entry.is_folder);
	assert_false(entry.is_file);
	assert_ok(tar_reader_next(reader, &entry, &ended, &error), &error);
	assert_string_equal(entry.path, "data/a");
	assert_true(entry.is_file);
	assert_false(entry.is_folder);
	assert_int_equal(entry.size, 12);
	source_free(source);
	buffer_free(&archive);
}

static void the_reader_gives_the_content(void **state)
{
	(void)state;
	struct error error;
	struct tar_entry entry;
	bool ended = true;
	char bytes[100];
	size_t length = 0;
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '0', "data/a", NULL, "content of a");
	raw_zeros(&archive, 2);
	struct source *source = drip(archive.data, archive.length, 100);
	CLEANUP(cleanup_tar_reader) struct tar_reader *reader = NULL;
	assert_ok(tar_reader_new(source, &reader, &error), &error);
	assert_ok(tar_reader_next(reader, &entry, &ended, &error), &error);
	assert_ok(tar_reader_read(reader, bytes, sizeof bytes, &length, &error), &error);
	assert_int_equal(length, 12);
	assert_memory_equal(bytes, "content of a", 12);
	assert_ok(tar_reader_read(reader, bytes, sizeof bytes, &length, &error), &error);
	assert_int_equal(length, 0);
	assert_ok(tar_reader_next(reader, &entry, &ended, &error), &error);
	assert_true(ended);
	source_free(source);
	buffer_free(&archive);
}

static void the_reader_takes_an_archive_of_nothing(void **state)
{
	(void)state;
	struct error error;
	struct tar_entry entry;
	bool ended = false;
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_zeros(&archive, 20);
	struct source *source = drip(archive.data, archive.length, 100000);
	CLEANUP(cleanup_tar_reader) struct tar_reader *reader = NULL;
	assert_ok(tar_reader_new(source, &reader, &error), &error);
	assert_ok(tar_reader_next(reader, &entry, &ended, &error), &error);
	assert_true(ended);
	source_free(source);
	buffer_free(&archive);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(the_archives_that_these_tests_make_by_hand_are_read),
		scratch_test(an_archive_of_gnu_tar_is_unpacked),
		scratch_test(an_archive_of_gnu_tar_with_holes_is_unpacked),
		scratch_test(an_archive_of_gnu_tar_in_pax_format_is_unpacked),
		scratch_test(an_archive_whose_names_begin_with_a_dot_and_slash_is_unpacked),
		scratch_test(slashes_behind_the_dot_of_a_name_do_not_make_it_absolute),
		scratch_test(an_archive_of_a_single_block_size_is_unpacked),
		scratch_test(holes_of_gnu_tar_come_back_as_holes),
		scratch_test(files_set_no_user_or_group),
		scratch_test(folders_above_the_wanted_one_are_passed_over),
		scratch_test(a_target_behind_a_symbolic_link_is_unpacked_into),
		scratch_test(a_target_that_is_not_there_is_a_failure),
		scratch_test(an_archive_that_cannot_be_read_is_no_word_against_its_content),
		scratch_test(unpack_refuses_a_path_that_goes_up),
		scratch_test(unpack_refuses_a_path_that_begins_by_going_up),
		scratch_test(unpack_refuses_a_path_that_goes_up_at_its_end),
		scratch_test(unpack_takes_names_that_only_begin_with_two_dots),
		scratch_test(unpack_refuses_an_absolute_path),
		scratch_test(unpack_refuses_devices),
		scratch_test(unpack_refuses_a_path_through_a_symbolic_link),
		scratch_test(unpack_refuses_a_path_through_a_relative_symbolic_link),
		scratch_test(unpack_refuses_a_folder_through_a_symbolic_link),
		scratch_test(unpack_writes_nothing_through_a_symbolic_link_that_is_also_a_folder),
		scratch_test(unpack_does_not_write_into_the_target_of_a_symbolic_link_of_the_same_name),
		scratch_test(unpack_refuses_a_hard_link_that_goes_up),
		scratch_test(unpack_refuses_a_hard_link_to_an_absolute_path),
		scratch_test(unpack_refuses_a_hard_link_to_something_outside_of_the_wanted_folder),
		scratch_test(unpack_refuses_a_hard_link_through_a_symbolic_link),
		scratch_test(unpack_refuses_a_hard_link_to_nothing),
		scratch_test(unpack_refuses_an_entry_outside_of_the_wanted_folder),
		scratch_test(unpack_refuses_an_entry_whose_name_only_begins_like_the_wanted_folder),
		scratch_test(unpack_refuses_an_entry_without_a_name),
		scratch_test(unpack_refuses_an_archive_whose_top_is_a_symbolic_link),
		scratch_test(unpack_leaves_the_target_a_folder_whatever_the_top_is),
		scratch_test(unpack_refuses_an_archive_whose_top_is_a_file),
		scratch_test(unpack_refuses_an_archive_without_an_end_marker),
		scratch_test(unpack_refuses_half_an_end_marker),
		scratch_test(unpack_refuses_an_end_marker_that_is_one_byte_short),
		scratch_test(unpack_refuses_an_archive_that_ends_in_a_file_of_zeros),
		scratch_test(unpack_takes_a_piece_within_a_file),
		scratch_test(unpack_refuses_a_piece_beyond_the_end_of_a_file),
		scratch_test(unpack_refuses_an_archive_that_is_cut_anywhere),
		scratch_test(unpack_refuses_our_own_archive_that_is_cut_at_any_block),
		scratch_test(unpack_refuses_garbage_behind_the_end_marker),
		scratch_test(unpack_refuses_another_archive_behind_the_end_marker),
		scratch_test(unpack_refuses_a_lone_block_of_zeros_between_entries),
		scratch_test(unpack_takes_any_number_of_zeros_behind_the_end_marker),
		scratch_test(unpack_refuses_a_header_with_any_bit_flipped),
		scratch_test(unpack_refuses_an_empty_stream),
		scratch_test(unpack_refuses_a_text),
		scratch_test(unpack_refuses_a_compressed_archive_that_is_cut_between_members),
		scratch_test(unpack_hands_on_the_failure_of_what_it_reads),
		scratch_test(nothing_follows_a_link_that_comes_in_the_place_of_a_folder_above),
		scratch_test(where_no_thread_may_have_its_own_folder_the_path_is_taken),
		scratch_test(the_path_is_not_taken_if_it_leads_elsewhere_by_then),
		scratch_test(a_thread_that_gets_no_folder_of_its_own_is_a_failure),
		cmocka_unit_test(the_reader_tells_files_from_folders),
		cmocka_unit_test(the_reader_gives_the_content),
		cmocka_unit_test(the_reader_takes_an_archive_of_nothing),
	};
	return cmocka_run_group_tests_name("tar_unpack", tests, NULL, NULL);
}
