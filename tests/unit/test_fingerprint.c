/* stores/fingerprint: what a backup has counted against what a server counts. */
#include "support.h"

#include "stores/chromadb/counts.h"
#include "stores/fingerprint.h"

struct item {
	const char *kind;
	const char *name;
	uint64_t number;
};

static struct fingerprint made(const struct item *items)
{
	struct fingerprint fingerprint = {.known = true, .exact = true};
	struct error error;
	for (; items->kind != NULL; items++) {
		assert_ok(fingerprint_add(&fingerprint, items->kind, items->name, items->number, &error), &error);
	}
	return fingerprint;
}
#define MADE(...) made((const struct item[]){__VA_ARGS__{NULL, NULL, 0}})

/* The difference, or "" if there is none. Both are freed. */
static const char *difference_of(struct fingerprint backup, struct fingerprint now)
{
	static char difference[FINGERPRINT_DIFFERENCE_SIZE];
	struct error error;
	bool same = false;
	assert_ok(fingerprint_compare(&backup, &now, &same, difference, &error), &error);
	assert_int_equal(same, difference[0] == '\0');
	fingerprint_free(&backup);
	fingerprint_free(&now);
	return difference;
}

static void the_order_does_not_matter(void **state)
{
	(void)state;
	assert_string_equal(
		difference_of(MADE({"rows", "a", 1}, {"rows", "b", 2}, ), MADE({"rows", "b", 2}, {"rows", "a", 1}, )), "");
	assert_string_equal(difference_of(MADE(), MADE()), "");
}

static void another_number_is_a_difference(void **state)
{
	(void)state;
	assert_string_equal(difference_of(MADE({"rows", "a.b.c", 12}, ), MADE({"rows", "a.b.c", 11}, )),
						"rows of a.b.c: 12 in the backup, 11 now");
	assert_string_equal(difference_of(MADE({"nodes", "", 1}, ), MADE({"nodes", "", 2}, )),
						"nodes: 1 in the backup, 2 now");
}

static void what_is_missing_and_what_is_too_much_are_differences(void **state)
{
	(void)state;
	assert_string_equal(difference_of(MADE({"rows", "a", 0}, ), MADE()), "rows of a: 0 in the backup, none now");
	assert_string_equal(difference_of(MADE(), MADE({"records", "c", 0}, )), "records of c: none in the backup, 0 now");
}

static void what_is_not_known_for_sure_is_not_compared(void **state)
{
	(void)state;
	struct fingerprint unknown = {0};
	struct fingerprint vague = MADE({"rows", "a", 1}, );
	vague.exact = false;
	assert_string_equal(difference_of(unknown, MADE({"rows", "a", 1}, )), "");
	assert_string_equal(difference_of(vague, MADE({"rows", "a", 2}, )), "");
	assert_string_equal(difference_of(MADE({"rows", "a", 1}, ), unknown), "");
}

static void keys_may_expire_but_not_others(void **state)
{
	(void)state;
	assert_string_equal(difference_of(MADE({"keys", "db0", 10}, {"expiring keys", "db0", 4}, ),
									  MADE({"keys", "db0", 7}, {"expiring keys", "db0", 1}, )),
						"");
	assert_string_equal(difference_of(MADE({"keys", "db1", 3}, {"expiring keys", "db1", 3}, ), MADE()), "");
	assert_string_equal(difference_of(MADE({"keys", "db0", 10}, {"expiring keys", "db0", 4}, ),
									  MADE({"keys", "db0", 6}, {"expiring keys", "db0", 1}, )),
						"expiring keys of db0: 4 in the backup, 1 now");
	assert_string_not_equal(difference_of(MADE({"keys", "db0", 10}, {"expiring keys", "db0", 4}, ),
										  MADE({"keys", "db0", 11}, {"expiring keys", "db0", 5}, )),
							"");
	assert_string_not_equal(difference_of(MADE({"keys", "db0", 10}, {"expiring keys", "db0", 0}, ), MADE()), "");
}

/* As seen with Redis 7.4.1. */
static void hashes_may_go_with_their_last_field(void **state)
{
	(void)state;
	const char hashes[] = "keys with expiring fields";
	assert_string_equal(difference_of(MADE({"keys", "db0", 4}, {"expiring keys", "db0", 2}, {hashes, "db0", 3}, ),
									  MADE({"keys", "db0", 3}, {"expiring keys", "db0", 2}, {hashes, "db0", 1}, )),
						"");
	assert_string_equal(
		difference_of(MADE({"keys", "db0", 2}, {"expiring keys", "db0", 1}, {hashes, "db0", 2}, ), MADE()), "");
	assert_string_equal(difference_of(MADE({"keys", "db0", 4}, {"expiring keys", "db0", 0}, {hashes, "db0", 3}, ),
									  MADE({"keys", "db0", 4}, {"expiring keys", "db0", 0}, )),
						""); /* other fields are left */
	assert_string_equal(difference_of(MADE({"keys", "db0", 4}, {"expiring keys", "db0", 0}, ),
									  MADE({"keys", "db0", 4}, {"expiring keys", "db0", 0}, {hashes, "db0", 3}, )),
						""); /* a backup of before they were counted */
}

static void no_more_keys_may_go_than_hashes_with_expiring_fields(void **state)
{
	(void)state;
	const char hashes[] = "keys with expiring fields";
	assert_string_equal(difference_of(MADE({"keys", "db0", 4}, {"expiring keys", "db0", 0}, {hashes, "db0", 2}, ),
									  MADE({"keys", "db0", 2}, {"expiring keys", "db0", 0}, {hashes, "db0", 1}, )),
						"expiring keys of db0: 0 in the backup, 0 now");
	assert_string_not_equal(difference_of(MADE({"keys", "db0", 4}, {"expiring keys", "db0", 1}, {hashes, "db0", 2}, ),
										  MADE({"keys", "db0", 4}, {"expiring keys", "db0", 0}, )),
							"");
	assert_string_not_equal(difference_of(MADE({"keys", "db0", 4}, {"expiring keys", "db0", 0}, {hashes, "db0", 2}, ),
										  MADE({"keys", "db0", 5}, {"expiring keys", "db0", 0}, )),
							"");
}

static void labels_are_compared_if_both_have_counted_them(void **state)
{
	(void)state;
	assert_string_equal(
		difference_of(MADE({"nodes", "", 3}, {"nodes by label", "User", 3}, ), MADE({"nodes", "", 3}, )), "");
	assert_string_equal(difference_of(MADE({"nodes", "", 3}, {"nodes by label", "User", 3}, ),
									  MADE({"nodes", "", 3}, {"nodes by label", "Other", 3}, )),
						"nodes by label of User: 3 in the backup, none now");
}

static void a_place_of_chroma_is_found_in_a_name(void **state)
{
	(void)state;
	char tenant[CHROMADB_PLACE_SIZE];
	char database[CHROMADB_PLACE_SIZE];
	assert_true(chromadb_counts_place("one/two/three", tenant, database));
	assert_string_equal(tenant, "one");
	assert_string_equal(database, "two");
	assert_false(chromadb_counts_place("three", tenant, database));
	assert_false(chromadb_counts_place("two/three", tenant, database));
}

static void what_is_too_much_to_be_counted_is_a_failure(void **state)
{
	(void)state;
	struct error error;
	struct fingerprint full = {.count = FINGERPRINT_LIMIT};
	assert_status(STATUS_FAILED, fingerprint_add(&full, "rows", "one more", 1, &error), &error);
	assert_string_equal(error.message, "there are more than 1048576 things to count");
	assert_int_equal(full.count, FINGERPRINT_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_order_does_not_matter),
		cmocka_unit_test(another_number_is_a_difference),
		cmocka_unit_test(what_is_missing_and_what_is_too_much_are_differences),
		cmocka_unit_test(what_is_not_known_for_sure_is_not_compared),
		cmocka_unit_test(keys_may_expire_but_not_others),
		cmocka_unit_test(hashes_may_go_with_their_last_field),
		cmocka_unit_test(no_more_keys_may_go_than_hashes_with_expiring_fields),
		cmocka_unit_test(labels_are_compared_if_both_have_counted_them),
		cmocka_unit_test(a_place_of_chroma_is_found_in_a_name),
		cmocka_unit_test(what_is_too_much_to_be_counted_is_a_failure),
	};
	return cmocka_run_group_tests_name("fingerprint", tests, NULL, NULL);
}
