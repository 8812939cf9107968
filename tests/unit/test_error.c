/* base/error and base/progress: how failures and warnings travel. */
#include "support.h"

#include "base/progress.h"
#include "base/text.h"

static void set_replaces_what_was_there(void **state)
{
	(void)state;
	struct error error;
	(void)error_set(&error, STATUS_USAGE, "old");
	(void)error_hint(&error, "old hint");
	assert_int_equal(error_set(&error, STATUS_DAMAGED, "%s %d", "block", 7), STATUS_DAMAGED);
	assert_int_equal(error.status, STATUS_DAMAGED);
	assert_string_equal(error.message, "block 7");
	assert_string_equal(error.hint, "");
}

static void set_cuts_a_message_that_is_too_long(void **state)
{
	(void)state;
	struct error error;
	(void)error_set(&error, STATUS_FAILED, "%05000d", 1);
	assert_int_equal(strlen(error.message), ERROR_MESSAGE_SIZE - 1);
}

static void set_errno_ends_with_the_text_of_errno(void **state)
{
	(void)state;
	struct error error;
	errno = ENOENT;
	assert_int_equal(error_set_errno(&error, "cannot open %s", "x"), STATUS_FAILED);
	assert_string_equal(error.message, "cannot open x: No such file or directory");
	assert_string_equal(error.hint, "");
}

static void set_errno_says_that_a_disk_is_full(void **state)
{
	(void)state;
	struct error error;
	errno = ENOSPC;
	assert_int_equal(error_set_errno(&error, "cannot write"), STATUS_NO_SPACE);
	assert_int_equal(error.status, STATUS_NO_SPACE);
}

static void set_errno_says_that_a_quota_is_used_up(void **state)
{
	(void)state;
	struct error error;
	errno = EDQUOT;
	assert_int_equal(error_set_errno(&error, "cannot write"), STATUS_NO_SPACE);
}

static void set_errno_for_a_full_disk_tells_what_to_do(void **state)
{
	(void)state;
	struct error error;
	errno = ENOSPC;
	(void)error_set_errno(&error, "cannot write");
	assert_non_null(strstr(error.hint, "cleanup"));
}

static void set_errno_says_that_a_call_was_interrupted(void **state)
{
	(void)state;
	struct error error;
	errno = EINTR;
	assert_int_equal(error_set_errno(&error, "cannot read"), STATUS_INTERRUPTED);
}

static void set_errno_cuts_a_message_that_is_too_long(void **state)
{
	(void)state;
	struct error error;
	errno = ENOENT;
	assert_int_equal(error_set_errno(&error, "%05000d", 1), STATUS_FAILED);
	assert_int_equal(strlen(error.message), ERROR_MESSAGE_SIZE - 1);
}

static void set_unread_says_that_there_is_no_such_file(void **state)
{
	(void)state;
	struct error error;
	errno = ENOENT;
	assert_int_equal(error_set_unread(&error, "cannot read %s", "x"), STATUS_NOT_FOUND);
	assert_string_equal(error.message, "cannot read x: No such file or directory");
	assert_false(error.blameless);
}

static void set_unread_blames_nothing_for_what_cannot_be_read(void **state)
{
	(void)state;
	struct error error;
	errno = EIO;
	assert_int_equal(error_set_unread(&error, "cannot read %s", "x"), STATUS_FAILED);
	assert_string_equal(error.message, "cannot read x: Input/output error");
	assert_true(error.blameless);
}

static void hint_keeps_message_and_status(void **state)
{
	(void)state;
	struct error error;
	(void)error_set(&error, STATUS_LOCKED, "busy");
	assert_int_equal(error_hint(&error, "wait %d s", 5), STATUS_LOCKED);
	assert_string_equal(error.message, "busy");
	assert_string_equal(error.hint, "wait 5 s");
}

static void hint_cuts_a_text_that_is_too_long(void **state)
{
	(void)state;
	struct error error;
	(void)error_set(&error, STATUS_LOCKED, "busy");
	(void)error_hint(&error, "%01000d", 1);
	assert_int_equal(strlen(error.hint), ERROR_HINT_SIZE - 1);
}

static void prefix_stands_in_front_of_the_message(void **state)
{
	(void)state;
	struct error error;
	(void)error_set(&error, STATUS_UNAVAILABLE, "no answer");
	(void)error_hint(&error, "start it");
	assert_int_equal(error_prefix(&error, "store %s", "redis"), STATUS_UNAVAILABLE);
	assert_string_equal(error.message, "store redis: no answer");
	assert_string_equal(error.hint, "start it");
}

static void prefix_that_fills_the_message_cuts_what_was_there(void **state)
{
	(void)state;
	struct error error;
	(void)error_set(&error, STATUS_FAILED, "what was there");
	(void)error_prefix(&error, "%0*d", ERROR_MESSAGE_SIZE - 6, 1);
	assert_int_equal(strlen(error.message), ERROR_MESSAGE_SIZE - 1);
	assert_string_equal(error.message + ERROR_MESSAGE_SIZE - 6, ": wha");
}

static void prefix_that_is_too_long_is_cut(void **state)
{
	(void)state;
	struct error error;
	(void)error_set(&error, STATUS_FAILED, "what was there");
	(void)error_prefix(&error, "%05000d", 1);
	assert_int_equal(strlen(error.message), ERROR_MESSAGE_SIZE - 1);
}

static void clear_leaves_nothing(void **state)
{
	(void)state;
	struct error error;
	(void)error_set(&error, STATUS_FAILED, "bad");
	(void)error_hint(&error, "hint");
	error_clear(&error);
	assert_int_equal(error.status, STATUS_OK);
	assert_string_equal(error.message, "");
	assert_string_equal(error.hint, "");
}

/* --- texts from anywhere ------------------------------------------------------------------------------------------ */

/* A text of two-byte characters, cut at any size, ends with a whole one. */
static void assert_cut_between_characters(const char *text, size_t size)
{
	assert_true(strlen(text) >= size - 2 && strlen(text) < size);
	assert_true(text_is_utf8(text));
	assert_null(strchr(text, '?'));
}

static void a_text_that_is_cut_stays_utf8(void **state)
{
	(void)state;
	char many[2 * ERROR_MESSAGE_SIZE + 1];
	for (size_t i = 0; i + 2 < sizeof many; i += 2) {
		memcpy(many + i, "é", 3);
	}
	for (int shift = 0; shift < 2; shift++) {
		struct error error;
		(void)error_set(&error, STATUS_FAILED, "%.*s%s", shift, "x", many);
		assert_cut_between_characters(error.message, ERROR_MESSAGE_SIZE);
		(void)error_hint(&error, "%.*s%s", shift, "x", many);
		assert_cut_between_characters(error.hint, ERROR_HINT_SIZE);
		(void)error_prefix(&error, "%.*s", 1 + shift, "xy");
		assert_cut_between_characters(error.message, ERROR_MESSAGE_SIZE);
		(void)error_prefix(&error, "%.*s%s", shift, "x", many);
		assert_cut_between_characters(error.message, ERROR_MESSAGE_SIZE);
		errno = ENOENT;
		(void)error_set_errno(&error, "%.*s%s", shift, "x", many);
		assert_true(text_is_utf8(error.message));
	}
}

static void what_is_appended_stands_behind_it_and_is_plain(void **state)
{
	(void)state;
	struct error error;
	(void)error_set(&error, STATUS_DAMAGED, "it cannot");
	assert_int_equal(error_append(&error, "its log says: %s", "\033c"), STATUS_DAMAGED);
	assert_string_equal(error.message, "it cannot; its log says: ?c");
	(void)error_append(&error, "%05000d", 1);
	assert_int_equal(strlen(error.message), ERROR_MESSAGE_SIZE - 1);
	(void)error_append(&error, "more");
	assert_int_equal(strlen(error.message), ERROR_MESSAGE_SIZE - 1);
}

static void what_a_terminal_would_obey_becomes_question_marks(void **state)
{
	(void)state;
	struct error error;
	(void)error_set(&error, STATUS_FAILED, "no file %s", "\033[2J\xff.");
	assert_string_equal(error.message, "no file ?[2J?.");
	(void)error_hint(&error, "see %s",
					 "\xC2\x9B"
					 "1m\r");
	assert_string_equal(error.hint, "see ??1m?");
	(void)error_prefix(&error, "store %s", "\a\xE9");
	assert_string_equal(error.message, "store ??: no file ?[2J?.");
	errno = ENOENT;
	(void)error_set_errno(&error, "cannot open %s", "\033c");
	assert_string_equal(error.message, "cannot open ?c: No such file or directory");
}

static void lines_and_tabs_stay_in_a_message(void **state)
{
	(void)state;
	struct error error;
	(void)error_set(&error, STATUS_FAILED, "it said:\n\tno é");
	assert_string_equal(error.message, "it said:\n\tno é");
}

struct listener {
	struct progress progress;
	char warning[64];
	uint64_t bytes;
	uint64_t total;
};

static void hear_step(struct progress *progress, const char *text, uint64_t total)
{
	(void)text;
	((struct listener *)progress)->total = total;
}

static void hear_advance(struct progress *progress, uint64_t bytes)
{
	((struct listener *)progress)->bytes += bytes;
}

static void hear_warning(struct progress *progress, const char *text)
{
	snprintf(((struct listener *)progress)->warning, 64, "%s", text);
}

static void progress_tells_its_listener(void **state)
{
	(void)state;
	struct listener listener = {.progress = {.step = hear_step, .advance = hear_advance, .warn = hear_warning}};
	progress_step(&listener.progress, "dumping", 5);
	progress_advance(&listener.progress, 3);
	progress_warn(&listener.progress, "only %d of %d", 3, 5);
	assert_int_equal(listener.total, 5);
	assert_int_equal(listener.bytes, 3);
	assert_string_equal(listener.warning, "only 3 of 5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_appended_stands_behind_it_and_is_plain),
		cmocka_unit_test(set_replaces_what_was_there),
		cmocka_unit_test(set_cuts_a_message_that_is_too_long),
		cmocka_unit_test(set_errno_ends_with_the_text_of_errno),
		cmocka_unit_test(set_errno_says_that_a_disk_is_full),
		cmocka_unit_test(set_errno_says_that_a_quota_is_used_up),
		cmocka_unit_test(set_errno_for_a_full_disk_tells_what_to_do),
		cmocka_unit_test(set_errno_says_that_a_call_was_interrupted),
		cmocka_unit_test(set_errno_cuts_a_message_that_is_too_long),
		cmocka_unit_test(set_unread_says_that_there_is_no_such_file),
		cmocka_unit_test(set_unread_blames_nothing_for_what_cannot_be_read),
		cmocka_unit_test(hint_keeps_message_and_status),
		cmocka_unit_test(hint_cuts_a_text_that_is_too_long),
		cmocka_unit_test(prefix_stands_in_front_of_the_message),
		cmocka_unit_test(prefix_that_fills_the_message_cuts_what_was_there),
		cmocka_unit_test(prefix_that_is_too_long_is_cut),
		cmocka_unit_test(clear_leaves_nothing),
		cmocka_unit_test(a_text_that_is_cut_stays_utf8),
		cmocka_unit_test(what_a_terminal_would_obey_becomes_question_marks),
		cmocka_unit_test(lines_and_tabs_stay_in_a_message),
		cmocka_unit_test(progress_tells_its_listener),
	};
	return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
