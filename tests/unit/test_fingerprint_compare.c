/* stores/fingerprint_compare.c: the same data in another order, and the first difference of others. */
#include "stores/fingerprint_compare.h"

#include "support.h"

#include <string.h>

static void add(struct fingerprint *fingerprint, const char *kind, const char *name, uint64_t number)
{
	struct error error;
	assert_int_equal(fingerprint_add(fingerprint, kind, name, number, &error), STATUS_OK);
}

static void expect(struct fingerprint *recorded, struct fingerprint *there, const char *difference)
{
	char text[FINGERPRINT_DIFFERENCE_SIZE];
	struct error error;
	assert_int_equal(fingerprint_compare(recorded, there, text, &error), STATUS_OK);
	assert_string_equal(text, difference);
	fingerprint_free(recorded);
	fingerprint_free(there);
}

static void order_does_not_matter(void **state)
{
	(void)state;
	struct fingerprint recorded = {0};
	struct fingerprint there = {0};
	add(&recorded, "rows", "a.b.c", 1);
	add(&recorded, "rows", "a.b.d", 2);
	add(&there, "rows", "a.b.d", 2);
	add(&there, "rows", "a.b.c", 1);
	expect(&recorded, &there, "");
	expect(&(struct fingerprint){0}, &(struct fingerprint){0}, "");
}

static void differences_are_named(void **state)
{
	(void)state;
	struct fingerprint recorded = {0};
	struct fingerprint there = {0};
	add(&recorded, "rows", "a.b.c", 3000);
	add(&there, "rows", "a.b.c", 2999);
	expect(&recorded, &there, "2999 rows in a.b.c, not 3000");
	add(&recorded, "nodes", "", 12);
	add(&recorded, "nodes by label", "User", 7);
	add(&there, "nodes", "", 12);
	expect(&recorded, &there, "no nodes by label in User, not 7");
	add(&there, "records", "extra", 5);
	expect(&recorded, &there, "5 records in extra, not none");
}

static void keys_that_expire_may_have(void **state)
{
	(void)state;
	struct fingerprint recorded = {0};
	struct fingerprint there = {0};
	add(&recorded, "keys", "db0", 10);
	add(&recorded, "expiring keys", "db0", 4);
	add(&recorded, "keys", "db3", 2);
	add(&recorded, "expiring keys", "db3", 2);
	add(&there, "keys", "db0", 7);
	add(&there, "expiring keys", "db0", 1);
	expect(&recorded, &there, "");
	add(&recorded, "keys", "db0", 10);
	add(&recorded, "expiring keys", "db0", 4);
	add(&there, "keys", "db0", 5);
	add(&there, "expiring keys", "db0", 0);
	expect(&recorded, &there, "5 keys that do not expire in db0, not 6");
}

static void names_that_json_cannot_tell_do_not_count(void **state)
{
	(void)state;
	struct fingerprint recorded = {0};
	struct fingerprint there = {0};
	add(&there, "records", "\xff", 5);
	expect(&recorded, &there, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(differences_are_named),
		cmocka_unit_test(keys_that_expire_may_have),
		cmocka_unit_test(names_that_json_cannot_tell_do_not_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
