/* pipeline/tar: a tar stream whose entries get another leading path. */
#include "tar_support.h"

#include "pipeline/tar_links.h"

#include <locale.h>
#include <sys/xattr.h>

/* The renamed stream, read whole. */
static enum status renamed(const struct buffer *archive, const char *from, const char *to, struct buffer *output,
						   struct error *error)
{
	struct source *source = NULL;
	enum status status = tar_rename_source_new(drip(archive->data, archive->length, 100000), from, to, &source, error);
	return status == STATUS_OK ? drain(source, 10000, output, error) : status;
}

/* What GNU tar lists of the renamed stream; it must not complain. The archive is freed. */
static void assert_lists(const char *scratch, struct buffer *archive, const char *from, const char *to,
						 const char *options, const char *names)
{
	struct error error;
	struct buffer output = BUFFER_INIT(ARCHIVE_LIMIT);
	assert_ok(renamed(archive, from, to, &output, &error), &error);
	buffer_free(archive);
	write_bytes(at(scratch, "renamed.tar"), output.data, output.length);
	buffer_free(&output);
	char *listed = shell(NULL, "tar t%sf '%s/renamed.tar' 2>&1", options, scratch);
	assert_string_equal(listed, names);
	free(listed);
}

static void assert_refused(struct buffer *archive, const char *from, const char *to)
{
	struct error error;
	struct buffer output = BUFFER_INIT(ARCHIVE_LIMIT);
	assert_status(STATUS_DAMAGED, renamed(archive, from, to, &output, &error), &error);
	buffer_free(&output);
	buffer_free(archive);
}

static void the_leading_path_is_replaced(void **state)
{
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '5', "data/", NULL, NULL);
	raw_entry(&archive, '0', "data/a", NULL, "text");
	raw_entry(&archive, '5', "data/data/", NULL, NULL);
	raw_entry(&archive, '0', "data/data/data", NULL, "text");
	raw_zeros(&archive, 2);
	assert_lists(*state, &archive, "data", "chroma/chroma", "",
				 "chroma/chroma/\nchroma/chroma/a\nchroma/chroma/data/\nchroma/chroma/data/data\n");
}

static void folders_above_are_left_out(void **state)
{
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '5', "chroma/", NULL, NULL);
	raw_entry(&archive, '5', "chroma/chroma/", NULL, NULL);
	raw_entry(&archive, '0', "chroma/chroma/a", NULL, "text");
	raw_zeros(&archive, 2);
	assert_lists(*state, &archive, "chroma/chroma", "new", "", "new/\nnew/a\n");
}

static void names_that_begin_with_a_dot_and_slash_are_renamed(void **state)
{
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '5', "./data/", NULL, NULL);
	raw_entry(&archive, '0', "./data/a", NULL, "text");
	raw_zeros(&archive, 2);
	assert_lists(*state, &archive, "data", "new", "", "new/\nnew/a\n");
}

static void hard_links_lead_to_the_new_name(void **state)
{
	struct error error;
	struct buffer output = BUFFER_INIT(ARCHIVE_LIMIT);
	make_source(*state, "echo text >a; ln a b");
	struct buffer archive = packed(at(*state, "src"), "data");
	assert_ok(renamed(&archive, "data", "new/place", &output, &error), &error);
	make_folder(at(*state, "out"));
	assert_ok(unpack(&output, "new/place", at(*state, "out"), &error), &error);
	assert_same_trees(at(*state, "src"), at(*state, "out"));
	buffer_free(&output);
	buffer_free(&archive);
}

static void targets_of_symbolic_links_are_left_as_they_are(void **state)
{
	struct error error;
	char target[32] = {0};
	struct buffer output = BUFFER_INIT(ARCHIVE_LIMIT);
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '2', "data/link", "data/a", NULL);
	raw_zeros(&archive, 2);
	assert_ok(renamed(&archive, "data", "new", &output, &error), &error);
	make_folder(at(*state, "out"));
	assert_ok(unpack(&output, "new", at(*state, "out"), &error), &error);
	assert_int_equal(readlink(at(*state, "out/link"), target, sizeof target), 6);
	assert_string_equal(target, "data/a");
	buffer_free(&output);
	buffer_free(&archive);
}

static void what_is_ours_is_left_out(void **state)
{
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '5', "data/", NULL, NULL);
	raw_entry(&archive, '5', "data/.whisperbackup-restore/", NULL, NULL);
	raw_entry(&archive, '0', "data/.whisperbackup-restore/x", NULL, "old");
	raw_entry(&archive, '0', "data/a", NULL, "text");
	raw_zeros(&archive, 2);
	assert_lists(*state, &archive, "data", "data", "", "data/\ndata/a\n");
}

static void what_is_named_like_ours_further_down_is_kept(void **state)
{
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '0', "data/a/.whisperbackup-restore", NULL, "theirs");
	raw_zeros(&archive, 2);
	assert_lists(*state, &archive, "data", "data", "", "data/a/.whisperbackup-restore\n");
}

/* Everything else about the entries stays. */
static void assert_tree_survives(const char *scratch)
{
	struct error error;
	struct buffer output = BUFFER_INIT(ARCHIVE_LIMIT);
	struct buffer archive = packed(at(scratch, "src"), "data");
	assert_ok(renamed(&archive, "data", "chroma/chroma", &output, &error), &error);
	buffer_free(&archive);
	make_folder(at(scratch, "out"));
	assert_ok(unpack(&output, "chroma/chroma", at(scratch, "out"), &error), &error);
	buffer_free(&output);
	assert_same_trees(at(scratch, "src"), at(scratch, "out"));
}

static void contents_modes_and_times_stay(void **state)
{
	make_source(*state,
				"mkdir -p a/b; head -c 700000 /dev/urandom >a/f; touch zero; chmod 711 a/f; chmod 3777 a/b; mkfifo p; "
				"touch -d '2001-02-03 04:05:06' a/f a/b a; chmod 2750 .");
	assert_tree_survives(*state);
}

static void owners_stay(void **state)
{
	if (geteuid() != 0) {
		skip();
	}
	make_source(*state, "touch a b; chown 999:1000 a; chown 4000000000:3000000 b; chown 7474:7474 .");
	assert_tree_survives(*state);
}

static void holes_stay(void **state)
{
	make_source(*state, "printf head >a; truncate -s 8M a; printf tail >>a; truncate -s 1M b; "
						"head -c 70000 /dev/urandom >>b; truncate -s 3M b");
	if (attributes_of(at(*state, "src/a")).st_blocks > 64) {
		skip(); /* a filesystem without holes */
	}
	assert_tree_survives(*state);
	/* Of 8 MB; a copy tells holes apart by whole MiB. */
	assert_in_range(attributes_of(at(*state, "out/a")).st_blocks, 0, 2048 + 64);
}

static void a_file_that_is_one_hole_stays(void **state)
{
	make_source(*state, "truncate -s 5M a; echo next >b");
	assert_tree_survives(*state);
}

/* GNU tar's map of such a file is another than ours. */
static void a_file_of_gnu_tar_that_is_one_hole_stays(void **state)
{
	struct error error;
	struct buffer output = BUFFER_INIT(ARCHIVE_LIMIT);
	shell_ok("cd '%s' && mkdir data out && truncate -s 5M data/a && echo next >data/b && tar -Scf archive.tar data",
			 (char *)*state);
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	archive.data = read_file(at(*state, "archive.tar"), &archive.length);
	assert_ok(renamed(&archive, "data", "new", &output, &error), &error);
	buffer_free(&archive);
	assert_ok(unpack(&output, "new", at(*state, "out"), &error), &error);
	buffer_free(&output);
	assert_same_trees(at(*state, "data"), at(*state, "out"));
}

static void long_names_stay(void **state)
{
	make_source(*state, "a=$(printf 'a%.0s' $(seq 255)); mkdir -p $a/$a; touch $a/$a/f; ln -s $a/$a/f s; ln $a/$a/f h");
	assert_tree_survives(*state);
}

/* As GNU tar writes them, so that this does not depend on how we do. */
static void names_in_unicode_stay(void **state)
{
	struct error error;
	struct buffer output = BUFFER_INIT(ARCHIVE_LIMIT);
	shell_ok("cd '%s' && mkdir data out && touch data/caf\xc3\xa9 && tar cf archive.tar data", (char *)*state);
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	archive.data = read_file(at(*state, "archive.tar"), &archive.length);
	enum status status = renamed(&archive, "data", "new", &output, &error);
	buffer_free(&archive);
	assert_ok(status, &error);
	assert_ok(unpack(&output, "new", at(*state, "out"), &error), &error);
	buffer_free(&output);
	assert_true(exists(at(*state, "out/caf\xc3\xa9")));
}

static void long_names_in_unicode_stay(void **state)
{
	struct error error;
	struct buffer output = BUFFER_INIT(ARCHIVE_LIMIT);
	shell_ok("cd '%s' && mkdir data out && touch data/$(printf '記%%.0s' $(seq 80)) && "
			 "tar --format=pax -cf archive.tar data",
			 (char *)*state);
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	archive.data = read_file(at(*state, "archive.tar"), &archive.length);
	enum status status = renamed(&archive, "data", "new", &output, &error);
	buffer_free(&archive);
	assert_ok(status, &error);
	assert_ok(unpack(&output, "new", at(*state, "out"), &error), &error);
	buffer_free(&output);
	shell_ok("cd '%s' && diff -r data out", (char *)*state);
}

static void rename_refuses_an_entry_outside_of_the_path(void **state)
{
	(void)state;
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '0', "other/a", NULL, "text");
	raw_zeros(&archive, 2);
	assert_refused(&archive, "data", "new");
}

static void rename_refuses_a_path_that_goes_up(void **state)
{
	(void)state;
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '0', "data/../../a", NULL, "text");
	raw_zeros(&archive, 2);
	assert_refused(&archive, "data", "new");
}

static void rename_refuses_a_hard_link_that_leads_out(void **state)
{
	(void)state;
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '1', "data/a", "etc/passwd", NULL);
	raw_zeros(&archive, 2);
	assert_refused(&archive, "data", "new");
}

/* The engine unpacks what we hand it, and knows nothing of our rules. */
static void rename_refuses_a_hard_link_that_goes_up(void **state)
{
	(void)state;
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '1', "data/a", "data/../../etc/passwd", NULL);
	raw_zeros(&archive, 2);
	assert_refused(&archive, "data", "new");
}

static void rename_refuses_a_top_that_is_a_symbolic_link(void **state)
{
	(void)state;
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '2', "data", "/etc", NULL);
	raw_zeros(&archive, 2);
	assert_refused(&archive, "data", "new");
}

/* --- through a symbolic link: the engine would follow it ---------------------------------------------------------- */

static void assert_refused_behind_link(const char *link, const char *target, char type, const char *path,
									   const char *leads_to)
{
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '2', link, target, NULL);
	raw_entry(&archive, type, path, leads_to, type == '0' ? "bad" : NULL);
	raw_zeros(&archive, 2);
	assert_refused(&archive, "data", "new");
}

static void rename_refuses_a_path_through_a_symbolic_link(void **state)
{
	(void)state;
	assert_refused_behind_link("data/link", "/etc", '0', "data/link/passwd", NULL);
	assert_refused_behind_link("data/link", "/etc", '5', "data/link/folder/", NULL);
	assert_refused_behind_link("data/link", "/etc", '2', "data/link/other", "a");
	assert_refused_behind_link("data/link", "../../outside", '0', "data/link/a/b/c", NULL);
	assert_refused_behind_link("./data/link", "/etc", '0', "data/./link//passwd", NULL);
	assert_refused_behind_link("data//link/", "/etc", '0', "./data/link/passwd", NULL);
}

static void rename_refuses_a_hard_link_through_a_symbolic_link(void **state)
{
	(void)state;
	assert_refused_behind_link("data/link", "/etc", '1', "data/a", "data/link/passwd");
	assert_refused_behind_link("data/link", "/etc", '1', "data/a", "./data//link/passwd");
}

static void rename_refuses_a_path_through_a_hard_link_to_a_symbolic_link(void **state)
{
	(void)state;
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '2', "data/link", "/etc", NULL);
	raw_entry(&archive, '1', "data/twin", "data/link", NULL);
	raw_entry(&archive, '1', "data/third", "./data/twin", NULL);
	raw_entry(&archive, '0', "data/third/passwd", NULL, "bad");
	raw_zeros(&archive, 2);
	assert_refused(&archive, "data", "new");
}

#define SURROGATES "\xED\xA0\xBD\xED\xB8\x80"
#define ROCKET     "\xF0\x9F\x98\x80" /* the same character, as libarchive writes it */

static void rename_refuses_a_path_through_a_symbolic_link_whose_name_is_written_otherwise(void **state)
{
	(void)state;
	assert_refused_behind_link("data/" SURROGATES, "/etc", '0', "data/" ROCKET "/passwd", NULL);
	assert_refused_behind_link("data/" ROCKET, "/etc", '0', "data/" SURROGATES "/passwd", NULL);
	assert_refused_behind_link("data/a" ROCKET "b", "/etc", '1', "data/c", "data/a" SURROGATES "b/passwd");
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '2', "data/" ROCKET, "/etc", NULL);
	raw_entry(&archive, '1', "data/twin", "data/" SURROGATES, NULL);
	raw_entry(&archive, '0', "data/twin/passwd", NULL, "bad");
	raw_zeros(&archive, 2);
	assert_refused(&archive, "data", "new");
}

/* A half of two surrogates is none, nor are they in another order; such a name is only a name. */
static void names_that_are_no_text_are_told_from_each_other(void **state)
{
	(void)state;
	struct error error;
	struct buffer output = BUFFER_INIT(ARCHIVE_LIMIT);
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '2', "data/\xED\xA0\xBD", "/etc", NULL);
	raw_entry(&archive, '2', "data/\xED\xB8\x80\xED\xA0\xBD", "/etc", NULL);
	raw_entry(&archive, '2', "data/\xED\xA0\xBD\xED\xB8", "/etc", NULL);
	raw_entry(&archive, '0', "data/" ROCKET "/x", NULL, "text");
	raw_zeros(&archive, 2);
	assert_ok(renamed(&archive, "data", "new", &output, &error), &error);
	buffer_free(&output);
	buffer_free(&archive);
}

/* Of GNU tar's form, whose names may have any length. */
static void long_entry(struct buffer *archive, char type, const char *name, const char *link)
{
	raw_entry(archive, 'L', "././@LongLink", NULL, name);
	raw_entry(archive, type, "data/short", link, NULL);
}

static void rename_refuses_a_path_that_nobody_can_make(void **state)
{
	(void)state;
	char name[PATH_MAX + 1] = "data/";
	memset(name + 5, 'x', PATH_MAX - 5);
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	long_entry(&archive, '2', name, "/etc");
	raw_zeros(&archive, 2);
	assert_refused(&archive, "data", "new");
}

static void rename_refuses_folders_without_end(void **state)
{
	(void)state;
	char name[4000] = "data/";
	memset(name + 5, 'x', sizeof name - 6);
	name[sizeof name - 1] = '\0';
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	for (int i = 0; i < (64 << 20) / (2 * 3999 + 256) + 1; i++) {
		snprintf(name + 5, 7, "%06d", i);
		name[11] = 'x';
		long_entry(&archive, '5', name, NULL);
	}
	raw_zeros(&archive, 2);
	assert_refused(&archive, "data", "new");
}

/* What a link takes besides its path counts too. */
static void short_links_without_end_are_refused(void **state)
{
	(void)state;
	struct error error;
	struct tar_links links = {0};
	enum status status = STATUS_OK;
	char name[16];
	int count = 0;
	for (; status == STATUS_OK && count < 1000000; count++) {
		snprintf(name, sizeof name, "%x", (unsigned)count);
		status = tar_links_note(&links, name, "x", NULL, &error);
	}
	assert_status(STATUS_DAMAGED, status, &error);
	assert_in_range(count, 500000, 999999);
	tar_links_free(&links);
}

/* A program from the archive would get rights on this machine. */
static void no_file_gets_rights_of_its_own(void **state)
{
	struct error error;
	struct buffer output = BUFFER_INIT(ARCHIVE_LIMIT);
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, 'x', "pax", NULL,
			  "30 SCHILY.xattr.user.note=one\n"
			  "40 SCHILY.xattr.security.capability=abc\n"
			  "45 LIBARCHIVE.xattr.security.capability=YWJj\n"
			  "31 SCHILY.xattr.user.other=two\n");
	raw_entry(&archive, '0', "data/program", NULL, "text");
	raw_zeros(&archive, 2);
	make_folder(at(*state, "out"));
	assert_ok(unpack(&archive, "data", at(*state, "out"), &error), &error);
	assert_int_equal(getxattr(at(*state, "out/program"), "security.capability", NULL, 0), -1);
	assert_int_equal(getxattr(at(*state, "out/program"), "user.note", NULL, 0), 3);
	assert_int_equal(getxattr(at(*state, "out/program"), "user.other", NULL, 0), 3);
	assert_ok(renamed(&archive, "data", "new", &output, &error), &error);
	assert_null(memmem(output.data, output.length, "capability", 10));
	assert_non_null(memmem(output.data, output.length, "user.note=one", 13));
	assert_non_null(memmem(output.data, output.length, "user.other=two", 14));
	buffer_free(&output);
	buffer_free(&archive);
}

static void no_file_sets_a_user_or_group(void **state)
{
	struct error error;
	struct buffer output = BUFFER_INIT(ARCHIVE_LIMIT);
	make_source(*state, "mkdir folder; echo text >program; chmod 6755 program; chmod 2755 folder");
	struct buffer archive = packed(at(*state, "src"), "data");
	assert_ok(renamed(&archive, "data", "new", &output, &error), &error);
	write_bytes(at(*state, "renamed.tar"), output.data, output.length);
	shell_ok("cd '%s' && tar tvf renamed.tar >list && grep -q '^drwxr-sr-x .* new/folder/$' list && "
			 "grep -q '^-rwxr-xr-x .* new/program$' list",
			 (const char *)*state);
	buffer_free(&output);
	buffer_free(&archive);
}

/* Each is kept in memory. */
static void rename_refuses_links_without_end(void **state)
{
	(void)state;
	char name[4000] = "data/";
	memset(name + 5, 'x', sizeof name - 6);
	name[sizeof name - 1] = '\0';
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	for (int i = 0; i < (64 << 20) / 3999 + 1; i++) {
		snprintf(name + 5, 7, "%06d", i);
		name[11] = 'x';
		long_entry(&archive, '2', name, "/etc");
	}
	raw_zeros(&archive, 2);
	assert_refused(&archive, "data", "new");
}

static void a_path_beside_symbolic_links_is_renamed(void **state)
{
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '2', "data/link", "/etc", NULL);
	raw_entry(&archive, '2', "data/link", "/etc", NULL); /* twice: as the last one of an archive that was added to */
	raw_entry(&archive, '2', "data/a/link", "b", NULL);
	raw_entry(&archive, '0', "data/links/x", NULL, "text");
	raw_entry(&archive, '0', "data/a/x/link", NULL, "text");
	raw_entry(&archive, '1', "data/b/x", "data/links/x", NULL);
	raw_entry(&archive, '0', "data/b/x/x", NULL,
			  "text"); /* behind a file: whoever unpacks it fails, and writes nothing */
	raw_zeros(&archive, 2);
	assert_lists(*state, &archive, "data", "new", "",
				 "new/link\nnew/link\nnew/a/link\nnew/links/x\nnew/a/x/link\nnew/b/x\nnew/b/x/x\n");
}

static void rename_refuses_a_stream_that_is_cut_at_any_block(void **state)
{
	struct error error;
	make_source(*state,
				"mkdir a; head -c 3000 /dev/urandom >a/f; ln a/f h; l=$(printf 'l%.0s' $(seq 180)); echo long >$l; "
				"truncate -s 2M s; echo x >>s");
	struct buffer archive = packed(at(*state, "src"), "data");
	for (size_t length = 0; length < archive.length; length += TAR_BLOCK) {
		struct buffer output = BUFFER_INIT(ARCHIVE_LIMIT);
		struct buffer part = {.data = archive.data, .length = length};
		assert_status(STATUS_DAMAGED, renamed(&part, "data", "new", &output, &error), &error);
		buffer_free(&output);
	}
	buffer_free(&archive);
}

static void rename_refuses_an_empty_stream(void **state)
{
	(void)state;
	struct error error;
	struct buffer archive = BUFFER_INIT(10);
	assert_ok(buffer_append(&archive, "", 0, &error), &error);
	assert_refused(&archive, "data", "new");
}

int main(void)
{
	/* As main does it: to libarchive, names are what the locale says. */
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	const struct CMUnitTest tests[] = {
		scratch_test(the_leading_path_is_replaced),
		scratch_test(folders_above_are_left_out),
		scratch_test(names_that_begin_with_a_dot_and_slash_are_renamed),
		scratch_test(hard_links_lead_to_the_new_name),
		scratch_test(targets_of_symbolic_links_are_left_as_they_are),
		scratch_test(what_is_ours_is_left_out),
		scratch_test(what_is_named_like_ours_further_down_is_kept),
		scratch_test(contents_modes_and_times_stay),
		scratch_test(owners_stay),
		scratch_test(holes_stay),
		scratch_test(a_file_that_is_one_hole_stays),
		scratch_test(a_file_of_gnu_tar_that_is_one_hole_stays),
		scratch_test(long_names_stay),
		scratch_test(names_in_unicode_stay),
		scratch_test(long_names_in_unicode_stay),
		cmocka_unit_test(rename_refuses_an_entry_outside_of_the_path),
		cmocka_unit_test(rename_refuses_a_path_that_goes_up),
		cmocka_unit_test(rename_refuses_a_hard_link_that_leads_out),
		cmocka_unit_test(rename_refuses_a_hard_link_that_goes_up),
		cmocka_unit_test(rename_refuses_a_top_that_is_a_symbolic_link),
		cmocka_unit_test(rename_refuses_a_path_through_a_symbolic_link),
		cmocka_unit_test(rename_refuses_a_hard_link_through_a_symbolic_link),
		cmocka_unit_test(rename_refuses_a_path_through_a_hard_link_to_a_symbolic_link),
		cmocka_unit_test(rename_refuses_a_path_through_a_symbolic_link_whose_name_is_written_otherwise),
		cmocka_unit_test(names_that_are_no_text_are_told_from_each_other),
		cmocka_unit_test(rename_refuses_a_path_that_nobody_can_make),
		cmocka_unit_test(rename_refuses_links_without_end),
		cmocka_unit_test(rename_refuses_folders_without_end),
		cmocka_unit_test(short_links_without_end_are_refused),
		scratch_test(no_file_gets_rights_of_its_own),
		scratch_test(no_file_sets_a_user_or_group),
		scratch_test(a_path_beside_symbolic_links_is_renamed),
		scratch_test(rename_refuses_a_stream_that_is_cut_at_any_block),
		cmocka_unit_test(rename_refuses_an_empty_stream),
	};
	return cmocka_run_group_tests_name("tar_rename", tests, NULL, NULL);
}
