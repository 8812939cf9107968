/* base/buffer: bytes that grow up to a named limit. */
#include "support.h"

static void text_of_a_new_buffer_is_empty(void **state)
{
	(void)state;
	struct buffer buffer = BUFFER_INIT(10);
	assert_string_equal(buffer_text(&buffer), "");
}

static void append_puts_bytes_behind_the_content(void **state)
{
	(void)state;
	struct error error;
	struct buffer buffer = BUFFER_INIT(10);
	assert_ok(buffer_append(&buffer, "abc", 3, &error), &error);
	assert_ok(buffer_append_text(&buffer, "de", &error), &error);
	assert_string_equal(buffer_text(&buffer), "abcde");
	buffer_free(&buffer);
}

static void append_keeps_bytes_of_zero(void **state)
{
	(void)state;
	struct error error;
	struct buffer buffer = BUFFER_INIT(10);
	assert_ok(buffer_append(&buffer, "a\0b", 3, &error), &error);
	assert_int_equal(buffer.length, 3);
	assert_memory_equal(buffer.data, "a\0b\0", 4);
	buffer_free(&buffer);
}

static void append_of_nothing_makes_an_empty_text(void **state)
{
	(void)state;
	struct error error;
	struct buffer buffer = BUFFER_INIT(0);
	assert_ok(buffer_append(&buffer, "", 0, &error), &error);
	assert_string_equal(buffer_text(&buffer), "");
	buffer_free(&buffer);
}

static void append_grows_far_beyond_its_first_memory(void **state)
{
	(void)state;
	struct error error;
	struct buffer buffer = BUFFER_INIT(1 << 20);
	char *bytes = malloc(1 << 20);
	assert_non_null(bytes);
	fill_random(bytes, 1 << 20, 1);
	for (size_t done = 0; done < 1 << 20; done += 1 << 10) {
		assert_ok(buffer_append(&buffer, bytes + done, 1 << 10, &error), &error);
	}
	assert_memory_equal(buffer.data, bytes, 1 << 20);
	free(bytes);
	buffer_free(&buffer);
}

static void append_fills_the_buffer_to_its_limit(void **state)
{
	(void)state;
	struct error error;
	struct buffer buffer = BUFFER_INIT(5);
	assert_ok(buffer_append(&buffer, "abcde", 5, &error), &error);
	assert_string_equal(buffer_text(&buffer), "abcde");
	buffer_free(&buffer);
}

static void append_refuses_one_byte_beyond_the_limit(void **state)
{
	(void)state;
	struct error error;
	struct buffer buffer = BUFFER_INIT(5);
	assert_status(STATUS_FAILED, buffer_append(&buffer, "abcdef", 6, &error), &error);
	buffer_free(&buffer);
}

static void append_that_fails_leaves_the_content_as_it_was(void **state)
{
	(void)state;
	struct error error;
	struct buffer buffer = BUFFER_INIT(5);
	assert_ok(buffer_append(&buffer, "abc", 3, &error), &error);
	assert_status(STATUS_FAILED, buffer_append(&buffer, "def", 3, &error), &error);
	assert_string_equal(buffer_text(&buffer), "abc");
	buffer_free(&buffer);
}

static void append_that_fails_names_the_limit(void **state)
{
	(void)state;
	struct error error;
	struct buffer buffer = BUFFER_INIT(7);
	assert_status(STATUS_FAILED, buffer_append(&buffer, "12345678", 8, &error), &error);
	assert_non_null(strstr(error.message, "more than 7 bytes"));
}

static void reserve_refuses_a_length_that_would_overflow(void **state)
{
	(void)state;
	struct error error;
	struct buffer buffer = BUFFER_INIT(100);
	assert_ok(buffer_append(&buffer, "abc", 3, &error), &error);
	assert_status(STATUS_FAILED, buffer_reserve(&buffer, SIZE_MAX - 1, &error), &error);
	buffer_free(&buffer);
}

static void printf_puts_formatted_text_behind_the_content(void **state)
{
	(void)state;
	struct error error;
	struct buffer buffer = BUFFER_INIT(1000);
	assert_ok(buffer_printf(&buffer, &error, "%s-%d ", "a", 1), &error);
	assert_ok(buffer_printf(&buffer, &error, "%0300d", 7), &error);
	assert_int_equal(buffer.length, 304);
	assert_memory_equal(buffer.data, "a-1 00", 6);
	assert_string_equal(buffer.data + 302, "07");
	buffer_free(&buffer);
}

static void printf_refuses_text_beyond_the_limit(void **state)
{
	(void)state;
	struct error error;
	struct buffer buffer = BUFFER_INIT(5);
	assert_status(STATUS_FAILED, buffer_printf(&buffer, &error, "%d", 123456), &error);
	assert_string_equal(buffer_text(&buffer), "");
	buffer_free(&buffer);
}

static void append_some_says_true_if_all_of_it_fits(void **state)
{
	(void)state;
	struct buffer buffer = BUFFER_INIT(5);
	assert_true(buffer_append_some(&buffer, "abcde", 5));
	assert_string_equal(buffer_text(&buffer), "abcde");
	buffer_free(&buffer);
}

static void append_some_keeps_what_fits_and_says_false(void **state)
{
	(void)state;
	struct buffer buffer = BUFFER_INIT(5);
	assert_true(buffer_append_some(&buffer, "abc", 3));
	assert_false(buffer_append_some(&buffer, "defg", 4));
	assert_string_equal(buffer_text(&buffer), "abcde");
	buffer_free(&buffer);
}

static void append_some_to_a_full_buffer_keeps_nothing(void **state)
{
	(void)state;
	struct buffer buffer = BUFFER_INIT(3);
	assert_true(buffer_append_some(&buffer, "abc", 3));
	assert_false(buffer_append_some(&buffer, "d", 1));
	assert_string_equal(buffer_text(&buffer), "abc");
	buffer_free(&buffer);
}

static void consume_removes_the_first_bytes(void **state)
{
	(void)state;
	struct buffer buffer = BUFFER_INIT(10);
	assert_true(buffer_append_some(&buffer, "abcdef", 6));
	buffer_consume(&buffer, 2);
	assert_string_equal(buffer_text(&buffer), "cdef");
	assert_int_equal(buffer.length, 4);
	buffer_free(&buffer);
}

static void consume_of_more_than_there_is_empties_it(void **state)
{
	(void)state;
	struct buffer buffer = BUFFER_INIT(10);
	assert_true(buffer_append_some(&buffer, "abc", 3));
	buffer_consume(&buffer, 100);
	assert_string_equal(buffer_text(&buffer), "");
	assert_int_equal(buffer.length, 0);
	buffer_free(&buffer);
}

static void consume_makes_room_below_the_limit(void **state)
{
	(void)state;
	struct error error;
	struct buffer buffer = BUFFER_INIT(5);
	assert_ok(buffer_append(&buffer, "abcde", 5, &error), &error);
	buffer_consume(&buffer, 3);
	assert_ok(buffer_append(&buffer, "fgh", 3, &error), &error);
	assert_string_equal(buffer_text(&buffer), "defgh");
	buffer_free(&buffer);
}

static void consume_of_a_new_buffer_does_nothing(void **state)
{
	(void)state;
	struct buffer buffer = BUFFER_INIT(5);
	buffer_consume(&buffer, 3);
	assert_string_equal(buffer_text(&buffer), "");
}

static void trim_removes_white_space_at_the_end_only(void **state)
{
	(void)state;
	struct buffer buffer = BUFFER_INIT(20);
	assert_true(buffer_append_some(&buffer, " a b \t\r\n\n", 9));
	buffer_trim(&buffer);
	assert_string_equal(buffer_text(&buffer), " a b");
	assert_int_equal(buffer.length, 4);
	buffer_free(&buffer);
}

static void trim_of_white_space_alone_leaves_nothing(void **state)
{
	(void)state;
	struct buffer buffer = BUFFER_INIT(20);
	assert_true(buffer_append_some(&buffer, " \n \n", 4));
	buffer_trim(&buffer);
	assert_string_equal(buffer_text(&buffer), "");
	buffer_free(&buffer);
}

static void trim_leaves_bytes_above_ascii(void **state)
{
	(void)state;
	struct buffer buffer = BUFFER_INIT(20);
	assert_true(buffer_append_some(&buffer, "caf\xc3\xa9\n", 6));
	buffer_trim(&buffer);
	assert_string_equal(buffer_text(&buffer), "caf\xc3\xa9");
	buffer_free(&buffer);
}

static void clear_empties_it_and_keeps_its_memory(void **state)
{
	(void)state;
	struct buffer buffer = BUFFER_INIT(20);
	assert_true(buffer_append_some(&buffer, "abc", 3));
	size_t capacity = buffer.capacity;
	buffer_clear(&buffer);
	assert_string_equal(buffer_text(&buffer), "");
	assert_int_equal(buffer.capacity, capacity);
	buffer_free(&buffer);
}

static void free_leaves_a_buffer_that_can_be_used_again(void **state)
{
	(void)state;
	struct error error;
	struct buffer buffer = BUFFER_INIT(20);
	assert_ok(buffer_append_text(&buffer, "abc", &error), &error);
	buffer_free(&buffer);
	assert_ok(buffer_append_text(&buffer, "xyz", &error), &error);
	assert_string_equal(buffer_text(&buffer), "xyz");
	buffer_free(&buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_of_a_new_buffer_is_empty),
		cmocka_unit_test(append_puts_bytes_behind_the_content),
		cmocka_unit_test(append_keeps_bytes_of_zero),
		cmocka_unit_test(append_of_nothing_makes_an_empty_text),
		cmocka_unit_test(append_grows_far_beyond_its_first_memory),
		cmocka_unit_test(append_fills_the_buffer_to_its_limit),
		cmocka_unit_test(append_refuses_one_byte_beyond_the_limit),
		cmocka_unit_test(append_that_fails_leaves_the_content_as_it_was),
		cmocka_unit_test(append_that_fails_names_the_limit),
		cmocka_unit_test(reserve_refuses_a_length_that_would_overflow),
		cmocka_unit_test(printf_puts_formatted_text_behind_the_content),
		cmocka_unit_test(printf_refuses_text_beyond_the_limit),
		cmocka_unit_test(append_some_says_true_if_all_of_it_fits),
		cmocka_unit_test(append_some_keeps_what_fits_and_says_false),
		cmocka_unit_test(append_some_to_a_full_buffer_keeps_nothing),
		cmocka_unit_test(consume_removes_the_first_bytes),
		cmocka_unit_test(consume_of_more_than_there_is_empties_it),
		cmocka_unit_test(consume_makes_room_below_the_limit),
		cmocka_unit_test(consume_of_a_new_buffer_does_nothing),
		cmocka_unit_test(trim_removes_white_space_at_the_end_only),
		cmocka_unit_test(trim_of_white_space_alone_leaves_nothing),
		cmocka_unit_test(trim_leaves_bytes_above_ascii),
		cmocka_unit_test(clear_empties_it_and_keeps_its_memory),
		cmocka_unit_test(free_leaves_a_buffer_that_can_be_used_again),
	};
	return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
