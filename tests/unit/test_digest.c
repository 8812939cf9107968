/* pipeline/digest: SHA-256, also of what is changed at its end. */
#include "support.h"

#include "pipeline/digest.h"

enum { LENGTH = 300000 };

static void assert_is_of(const struct digest *digest, const char *scratch, const void *bytes, size_t length)
{
	struct error error;
	char text[DIGEST_TEXT_SIZE];
	write_bytes(at(scratch, "file"), bytes, length);
	char *expected = shell(NULL, "sha256sum '%s/file'", scratch);
	assert_ok(digest_print(digest, text, &error), &error);
	assert_int_equal(digest_length(digest), length);
	assert_memory_equal(text, expected, DIGEST_TEXT_SIZE - 1);
	free(expected);
}

static void it_is_what_sha256sum_says(void **state)
{
	struct error error;
	struct digest *digest = NULL;
	static char bytes[LENGTH];
	fill_random(bytes, LENGTH, 1);
	assert_ok(digest_new(1000, &digest, &error), &error);
	assert_is_of(digest, *state, bytes, 0);
	for (size_t i = 0; i < 10; i++) {
		assert_ok(digest_add(digest, bytes + i * LENGTH / 10, LENGTH / 10, &error), &error);
		assert_is_of(digest, *state, bytes, (i + 1) * LENGTH / 10);
	}
	digest_free(digest);
}

/* From wherever it goes back to, what follows is added again; the steps are so small that places are thinned out. */
static void it_can_go_back(void **state)
{
	struct error error;
	struct digest *digest = NULL;
	static char bytes[LENGTH];
	fill_random(bytes, LENGTH, 1);
	assert_ok(digest_new(500, &digest, &error), &error);
	size_t length = 0;
	for (size_t i = 0; i < 4000; i++) {
		size_t some = i * 97 % 300 < LENGTH - length ? i * 97 % 300 : LENGTH - length;
		assert_ok(digest_add(digest, bytes + length, some, &error), &error);
		length += some;
		if (i % 97 == 50) {
			size_t back = length * (i % 7) / 6;
			assert_ok(digest_go_back(digest, back, &error), &error);
			assert_true(digest_length(digest) <= back);
			length = (size_t)digest_length(digest);
			fill_random(bytes + length, LENGTH - length, i);
		}
		if (i % 500 == 499) {
			assert_is_of(digest, *state, bytes, length);
		}
	}
	digest_free(digest);
}

static void it_goes_back_no_further_than_a_step(void **state)
{
	(void)state;
	struct error error;
	struct digest *digest = NULL;
	char bytes[100] = {0};
	assert_ok(digest_new(1000, &digest, &error), &error);
	for (size_t i = 0; i < 100; i++) {
		assert_ok(digest_add(digest, bytes, sizeof bytes, &error), &error);
	}
	assert_ok(digest_go_back(digest, 20000, &error), &error);
	assert_int_equal(digest_length(digest), 10000);
	assert_ok(digest_go_back(digest, 9999, &error), &error);
	assert_int_equal(digest_length(digest), 9000);
	assert_ok(digest_go_back(digest, 999, &error), &error);
	assert_int_equal(digest_length(digest), 0);
	digest_free(digest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(it_is_what_sha256sum_says),
		scratch_test(it_can_go_back),
		cmocka_unit_test(it_goes_back_no_further_than_a_step),
	};
	return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
