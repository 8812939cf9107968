/* stores/chromadb/archive: what is no whole archive of Chroma's folder, and why. */
#include "tar_support.h"

#include "stores/chromadb/archive.h"

/* The archive of what the shell commands make in a new folder. */
static enum status check(void **state, const char *commands, struct artefact *artefact, struct error *error)
{
	const char *folder = *state;
	struct source *file = NULL;
	shell_ok("rm -rf '%s/root' && mkdir '%s/root' && cd '%s/root' && %s && tar czf ../archive.tar.gz *", folder, folder,
			 folder, commands);
	assert_ok(file_source_new(at(folder, "archive.tar.gz"), &file, error), error);
	return chromadb_archive_check(file, NULL, NULL, artefact, error);
}

static void assert_folder(void **state, const char *commands, const char *expected)
{
	struct error error;
	struct artefact artefact = {0};
	assert_ok(check(state, commands, &artefact, &error), &error);
	assert_string_equal(artefact.folder, expected);
}

static void assert_damaged(void **state, const char *commands, const char *message)
{
	struct error error;
	struct artefact artefact = {0};
	assert_status(STATUS_DAMAGED, check(state, commands, &artefact, &error), &error);
	assert_string_equal(error.message, message);
	assert_int_equal(artefact.entries, 0);
}

#define DATABASE "mkdir -p chroma/segment && touch chroma/chroma.sqlite3"
#define SEGMENT  DATABASE " && cd chroma/segment && touch header.bin data_level0.bin length.bin link_lists.bin"

static void the_folder_is_where_the_database_is(void **state)
{
	assert_folder(state, DATABASE, "chroma");
}

/* Whatever order they come in. */
static void a_copy_of_the_database_below_it_is_not_taken_for_it(void **state)
{
	assert_folder(state, DATABASE " && mkdir -p chroma/a/b && touch chroma/a/b/chroma.sqlite3", "chroma");
	assert_folder(state, "mkdir -p a/b/c d && touch a/b/c/chroma.sqlite3 d/chroma.sqlite3", "d");
	assert_folder(state, "mkdir -p a z/b/c && touch a/chroma.sqlite3 z/b/c/chroma.sqlite3", "a");
}

static void one_without_a_database_is_damaged(void **state)
{
	assert_damaged(state, "mkdir chroma && touch chroma/other", "it holds no chroma.sqlite3");
}

static void a_database_in_no_folder_is_damage(void **state)
{
	assert_damaged(state, "touch chroma.sqlite3", "chroma.sqlite3 is not in a folder");
}

static void a_database_whose_folder_has_too_long_a_name_is_damage(void **state)
{
	assert_damaged(state, "d=$(printf '%0200d' 0)/$(printf '%0100d' 0) && mkdir -p $d && touch $d/chroma.sqlite3",
				   "chroma.sqlite3 is not in a folder");
}

static void a_segment_that_was_never_full_has_no_pickle(void **state)
{
	assert_folder(state, SEGMENT " && cd ../..", "chroma");
}

static void a_pickle_that_was_cut_is_damage(void **state)
{
	static const char message[] = "the vector segment chroma/segment has no whole index_metadata.pickle";
	assert_folder(state, SEGMENT " && printf whole. >index_metadata.pickle && cd ../..", "chroma");
	assert_damaged(state, SEGMENT " && printf who >index_metadata.pickle && cd ../..", message);
	assert_damaged(state, SEGMENT " && : >index_metadata.pickle && cd ../..", message);
}

static void a_pickle_alone_is_damage(void **state)
{
	assert_damaged(state, DATABASE " && printf whole. >chroma/segment/index_metadata.pickle",
				   "the vector segment chroma/segment has no header.bin");
}

/* As many as nobody has, of which none is looked for among all others. */
static void one_of_more_segments_than_can_be_is_refused(void **state)
{
	enum { LARGEST = 1 << 16 };
	struct error error;
	struct artefact artefact = {0};
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	struct source *file = NULL;
	char name[32];
	raw_entry(&archive, '0', "chroma/chroma.sqlite3", NULL, NULL);
	for (int i = 0; i <= LARGEST; i++) {
		snprintf(name, sizeof name, "chroma/%d/header.bin", i);
		raw_entry(&archive, '0', name, NULL, NULL);
	}
	raw_zeros(&archive, 2);
	write_bytes(at(*state, "archive.tar"), archive.data, archive.length);
	buffer_free(&archive);
	shell_ok("gzip -1 '%s/archive.tar'", (const char *)*state);
	assert_ok(file_source_new(at(*state, "archive.tar.gz"), &file, &error), &error);
	assert_status(STATUS_DAMAGED, chromadb_archive_check(file, NULL, NULL, &artefact, &error), &error);
	assert_string_equal(error.message, "it holds more than 65536 vector segments");
}

/* Their names are kept in memory. */
static void one_of_segments_with_names_without_end_is_refused(void **state)
{
	struct error error;
	struct artefact artefact = {0};
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	struct source *file = NULL;
	char name[4000];
	raw_entry(&archive, '0', "chroma/chroma.sqlite3", NULL, NULL);
	for (int i = 0; i <= (32 << 20) / 3900; i++) {
		snprintf(name, sizeof name, "chroma/%03900d/header.bin", i);
		raw_entry(&archive, 'L', "././@LongLink", NULL, name);
		raw_entry(&archive, '0', "short", NULL, NULL);
	}
	raw_zeros(&archive, 2);
	write_bytes(at(*state, "archive.tar"), archive.data, archive.length);
	buffer_free(&archive);
	shell_ok("gzip -1 '%s/archive.tar'", (const char *)*state);
	assert_ok(file_source_new(at(*state, "archive.tar.gz"), &file, &error), &error);
	assert_status(STATUS_DAMAGED, chromadb_archive_check(file, NULL, NULL, &artefact, &error), &error);
	assert_string_equal(error.message, "the names of its vector segments are longer than anybody needs");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(the_folder_is_where_the_database_is),
		scratch_test(a_copy_of_the_database_below_it_is_not_taken_for_it),
		scratch_test(one_without_a_database_is_damaged),
		scratch_test(a_database_in_no_folder_is_damage),
		scratch_test(a_database_whose_folder_has_too_long_a_name_is_damage),
		scratch_test(a_segment_that_was_never_full_has_no_pickle),
		scratch_test(a_pickle_that_was_cut_is_damage),
		scratch_test(a_pickle_alone_is_damage),
		scratch_test(one_of_more_segments_than_can_be_is_refused),
		scratch_test(one_of_segments_with_names_without_end_is_refused),
	};
	return cmocka_run_group_tests_name("chromadb_archive", tests, NULL, NULL);
}
