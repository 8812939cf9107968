/* snapshot/archive_draft: an archive that is appended to and closed up, and its SHA-256 in all cases. */
#include "support.h"

#include "snapshot/archive_draft.h"

enum { BLOCK = GZIP_MEMBER_SIZE };

static struct archive_draft *begin(const char *scratch)
{
	struct error error;
	struct archive_draft *draft = NULL;
	assert_ok(archive_draft_new(at(scratch, "draft"), &draft, &error), &error);
	return draft;
}

/* Appends `count` members that do not compress, each with content of its own. */
static void append(struct archive_draft *draft, size_t count, uint64_t seed, struct gzip_place *ret_places)
{
	struct error error;
	for (size_t i = 0; i < count; i++) {
		char *content = NULL;
		assert_ok(archive_draft_lend(draft, BLOCK, &content, &error), &error);
		fill_random(content, BLOCK, seed + i);
		archive_draft_append(draft, BLOCK, &ret_places[i]);
	}
}

/* Its size and SHA-256 are the file's, and it is `members` whole blocks. */
static void assert_finishes(struct archive_draft *draft, const char *scratch, size_t members)
{
	struct error error;
	struct digest_result result;
	assert_ok(archive_draft_finish(draft, &result, &error), &error);
	archive_draft_free(draft);
	char *expected = shell(NULL, "sha256sum '%s/draft'", scratch);
	assert_memory_equal(result.sha256, expected, DIGEST_TEXT_SIZE - 1);
	assert_int_equal(attributes_of(at(scratch, "draft")).st_size, result.size);
	free(expected);
	char *content = shell(NULL, "gunzip -c '%s/draft' | wc -c", scratch);
	assert_int_equal(strtoul(content, NULL, 10), members * BLOCK);
	free(content);
}

static void appended(void **state)
{
	struct gzip_place places[12];
	struct archive_draft *draft = begin(*state);
	append(draft, 12, 1, places);
	assert_finishes(draft, *state, 12);
}

static void appended_in_several_passes(void **state)
{
	struct error error;
	struct gzip_place places[12];
	struct archive_draft *draft = begin(*state);
	append(draft, 3, 1, places);
	assert_ok(archive_draft_drain(draft, &error), &error);
	append(draft, 1, 4, places + 3);
	assert_ok(archive_draft_drain(draft, &error), &error);
	append(draft, 8, 5, places + 4);
	assert_finishes(draft, *state, 12);
}

static void repeated_at_once(void **state)
{
	struct error error;
	struct gzip_place places[3];
	struct gzip_place again;
	struct archive_draft *draft = begin(*state);
	append(draft, 3, 1, places);
	assert_ok(archive_draft_drain(draft, &error), &error);
	append(draft, 1, 4, places);
	assert_ok(archive_draft_repeat(draft, places[2], &again, &error), &error);
	assert_ok(archive_draft_drain(draft, &error), &error);
	/* What has just been drained, and then again what has not. */
	assert_ok(archive_draft_repeat(draft, again, &places[1], &error), &error);
	assert_ok(archive_draft_repeat(draft, places[0], &places[2], &error), &error);
	assert_finishes(draft, *state, 7);
}

static void cut_off(void **state)
{
	struct error error;
	struct gzip_place places[4];
	struct archive_draft *draft = begin(*state);
	append(draft, 4, 1, places);
	assert_ok(archive_draft_drain(draft, &error), &error);
	assert_ok(archive_draft_cut(draft, places[3].offset, &error), &error);
	assert_finishes(draft, *state, 3);
}

static void cut_off_and_appended_to(void **state)
{
	struct error error;
	struct gzip_place places[9];
	struct archive_draft *draft = begin(*state);
	append(draft, 4, 1, places);
	assert_ok(archive_draft_drain(draft, &error), &error);
	assert_ok(archive_draft_cut(draft, places[3].offset, &error), &error);
	append(draft, 5, 7, places);
	assert_finishes(draft, *state, 8);
}

static void cut_off_to_nothing(void **state)
{
	struct error error;
	struct gzip_place places[4];
	struct archive_draft *draft = begin(*state);
	append(draft, 4, 1, places);
	assert_ok(archive_draft_drain(draft, &error), &error);
	assert_ok(archive_draft_cut(draft, 0, &error), &error);
	append(draft, 1, 7, places);
	assert_finishes(draft, *state, 1);
}

/* Takes out members 2 and 5 of 8. */
static void close_up(struct archive_draft *draft, const struct gzip_place *places)
{
	struct error error;
	assert_ok(archive_draft_drain(draft, &error), &error);
	struct gzip_place middle = {places[3].offset, places[5].offset - places[3].offset};
	struct gzip_place end = {places[6].offset, places[7].offset + places[7].length - places[6].offset};
	assert_ok(archive_draft_move(draft, middle, places[2].offset, &error), &error);
	assert_ok(archive_draft_move(draft, end, places[2].offset + middle.length, &error), &error);
	assert_ok(archive_draft_cut(draft, places[2].offset + middle.length + end.length, &error), &error);
}

static void closed_up(void **state)
{
	struct gzip_place places[8];
	struct archive_draft *draft = begin(*state);
	append(draft, 8, 1, places);
	close_up(draft, places);
	assert_finishes(draft, *state, 6);
}

static void closed_up_and_appended_to(void **state)
{
	struct gzip_place places[8];
	struct archive_draft *draft = begin(*state);
	append(draft, 8, 1, places);
	close_up(draft, places);
	append(draft, 8, 20, places);
	assert_finishes(draft, *state, 14);
}

/* So much that places of the digest have been remembered before and behind the first change. */
static void closed_up_behind_a_remembered_place(void **state)
{
	struct error error;
	static struct gzip_place places[150];
	struct archive_draft *draft = begin(*state);
	append(draft, 150, 1, places);
	assert_ok(archive_draft_drain(draft, &error), &error);
	struct gzip_place end = {places[100].offset, places[149].offset + places[149].length - places[100].offset};
	assert_ok(archive_draft_move(draft, end, places[80].offset, &error), &error);
	assert_ok(archive_draft_cut(draft, places[80].offset + end.length, &error), &error);
	append(draft, 2, 500, places);
	assert_finishes(draft, *state, 132);
}

static void a_file_that_cannot_be_made_is_a_failure(void **state)
{
	(void)state;
	struct error error;
	struct archive_draft *draft = NULL;
	assert_status(STATUS_FAILED, archive_draft_new("/proc/draft", &draft, &error), &error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(appended),
		scratch_test(appended_in_several_passes),
		scratch_test(repeated_at_once),
		scratch_test(cut_off),
		scratch_test(cut_off_and_appended_to),
		scratch_test(cut_off_to_nothing),
		scratch_test(closed_up),
		scratch_test(closed_up_and_appended_to),
		scratch_test(closed_up_behind_a_remembered_place),
		scratch_test(a_file_that_cannot_be_made_is_a_failure),
	};
	return cmocka_run_group_tests_name("archive_draft", tests, NULL, NULL);
}
