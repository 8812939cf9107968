/* pipeline/tar_attributes: extended attributes and access lists, from a folder to an archive and back. */
#include "attributes_support.h"
#include "progress_support.h"
#include "tar_support.h"

enum { USER = 1234, OTHER_USER = 999 };

/* The folder "src", whose entries a shell makes, and the empty folder "out". */
static void make_folders(const char *scratch, const char *commands)
{
	make_source(scratch, commands);
	make_folder(at(scratch, "out"));
}

static enum status unpack_archive(const char *scratch, const struct buffer *archive, struct error *error)
{
	struct source *source = drip(archive->data, archive->length, 100000);
	progress_warned[0] = '\0';
	enum status status = tar_unpack(source, "data", at(scratch, "out"), &progress_kept, error);
	source_free(source);
	return status;
}

static void pack_and_unpack(const char *scratch)
{
	struct error error;
	struct buffer archive = packed(at(scratch, "src"), "data");
	assert_ok(unpack_archive(scratch, &archive, &error), &error);
	buffer_free(&archive);
}

static void unpack_file(const char *scratch, const char *path)
{
	struct error error;
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	size_t length = 0;
	char *bytes = read_file(path, &length);
	assert_ok(buffer_append(&archive, bytes, length, &error), &error);
	free(bytes);
	assert_ok(unpack_archive(scratch, &archive, &error), &error);
	buffer_free(&archive);
}

static void extended_attributes_come_back(void **state)
{
	char value[16] = {0};
	make_folders(*state, "touch file; mkdir folder");
	if (setxattr(at(*state, "src/file"), "user.note", "a\0b=c\n", 6, 0) != 0) {
		skip();
	}
	assert_int_equal(setxattr(at(*state, "src/folder"), "user.note", "folder", 6, 0), 0);
	pack_and_unpack(*state);
	assert_int_equal(getxattr(at(*state, "out/file"), "user.note", value, sizeof value), 6);
	assert_memory_equal(value, "a\0b=c\n", 6);
	assert_int_equal(getxattr(at(*state, "out/folder"), "user.note", value, sizeof value), 6);
	assert_memory_equal(value, "folder", 6);
}

static void access_lists_come_back(void **state)
{
	make_folders(*state, "mkdir folder; touch file folder/inside");
	if (!give_list(at(*state, "src/file"), ACCESS, USER)) {
		skip();
	}
	assert_true(give_list(at(*state, "src/folder"), ACCESS, USER));
	assert_true(give_list(at(*state, "src/folder"), DEFAULT, USER));
	pack_and_unpack(*state);
	assert_has_list(at(*state, "out/file"), ACCESS, USER);
	assert_has_list(at(*state, "out/folder"), ACCESS, USER);
	assert_has_list(at(*state, "out/folder"), DEFAULT, USER);
	assert_int_equal(getxattr(at(*state, "out/folder/inside"), ACCESS, NULL, 0), -1);
	assert_string_equal(progress_warned, "");
}

static void what_is_inherited_gives_way_to_the_archives_list(void **state)
{
	make_folders(*state, "touch file; mkdir folder");
	if (!give_list(at(*state, "out"), DEFAULT, OTHER_USER)) {
		skip();
	}
	assert_true(give_list(at(*state, "src/file"), ACCESS, USER));
	assert_true(give_list(at(*state, "src/folder"), ACCESS, USER));
	pack_and_unpack(*state);
	assert_has_list(at(*state, "out/file"), ACCESS, USER);
	assert_has_list(at(*state, "out/folder"), ACCESS, USER);
}

/* The mode of a file with a list says of its group what the mask allows to others. */
static void a_list_of_the_folder_itself_gives_its_group_nothing_more(void **state)
{
	make_folders(*state, "touch file");
	if (!give_list(at(*state, "src"), ACCESS, USER)) {
		skip();
	}
	assert_int_equal(attributes_of(at(*state, "src")).st_mode & 0777, 0760);
	pack_and_unpack(*state);
	assert_int_equal(attributes_of(at(*state, "out")).st_mode & 0777, 0740);
}

/* GNU tar writes names alone, where there are any. */
static void a_list_without_ids_is_left_out_with_a_warning(void **state)
{
	const char *scratch = *state;
	make_folders(scratch, "mkdir data data/$(printf 'f\\033[2J'); echo text >data/file");
	if (!give_list(at(scratch, "src/data/f\033[2J"), ACCESS, 65534) ||
		!give_list(at(scratch, "src/data/file"), ACCESS, 65534)) {
		skip();
	}
	shell_ok("cd '%s/src' && tar --acls -cf ../archive.tar data && grep -aq 'user:nobody:r--' ../archive.tar", scratch);
	unpack_file(scratch, at(scratch, "archive.tar"));
	assert_file_is(at(scratch, "out/file"), "text\n");
	assert_int_equal(attributes_of(at(scratch, "out/f\033[2J")).st_mode & 0777, 0740);
	assert_int_equal(attributes_of(at(scratch, "out/file")).st_mode & 0777, 0740);
	assert_int_equal(getxattr(at(scratch, "out/f\033[2J"), ACCESS, NULL, 0), -1);
	assert_non_null(strstr(progress_warned, "f?[2J, and perhaps of others, is left out: it cannot be set here"));
}

static void a_folder_that_is_there_twice_has_its_last_list(void **state)
{
	const char *scratch = *state;
	make_folders(scratch, "mkdir folder");
	if (!give_list(at(scratch, "src/folder"), ACCESS, USER)) {
		skip();
	}
	struct buffer first = packed(at(scratch, "src"), "data");
	assert_true(give_list(at(scratch, "src/folder"), ACCESS, OTHER_USER));
	struct buffer second = packed(at(scratch, "src"), "data");
	write_bytes(at(scratch, "first.tar"), first.data, first.length);
	write_bytes(at(scratch, "second.tar"), second.data, second.length);
	buffer_free(&first);
	buffer_free(&second);
	shell_ok("cd '%s' && tar -A --file=first.tar second.tar", scratch);
	unpack_file(scratch, at(scratch, "first.tar"));
	assert_has_list(at(scratch, "out/folder"), ACCESS, OTHER_USER);
}

/* libarchive would write it as that of root. */
static void an_id_that_no_archive_can_hold_is_told(void **state)
{
	struct error error;
	struct folder_copy *copy = NULL;
	uint64_t bytes = 0;
	make_folders(*state, "touch file");
	if (!give_list(at(*state, "src/file"), ACCESS, 3000000000)) {
		skip();
	}
	assert_ok(folder_copy_of(at(*state, "src"), "data", at(*state, "archive"), &copy, &error), &error);
	assert_status(STATUS_FAILED, folder_copy_catch_up(copy, NULL, &bytes, &error), &error);
	folder_copy_free(copy);
	assert_non_null(strstr(error.message, "file names an id that no archive can hold"));
	assert_string_equal(error.hint, "getfacl shows it; take that line out of the list (setfacl -x)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(extended_attributes_come_back),
		scratch_test(access_lists_come_back),
		scratch_test(what_is_inherited_gives_way_to_the_archives_list),
		scratch_test(a_list_of_the_folder_itself_gives_its_group_nothing_more),
		scratch_test(a_list_without_ids_is_left_out_with_a_warning),
		scratch_test(a_folder_that_is_there_twice_has_its_last_list),
		scratch_test(an_id_that_no_archive_can_hold_is_told),
	};
	return cmocka_run_group_tests_name("tar_attributes", tests, NULL, NULL);
}
