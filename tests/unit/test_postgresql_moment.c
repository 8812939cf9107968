/* What of PostgreSQL's moment needs no server: the end of pg_dumpall's text, and the names of counts. */
#include "stores/postgresql/moment_globals.h"
#include "stores/postgresql/row_counts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { TEXT_LIMIT = 4096 };

static void assert_opened(const char *text, const char *expected)
{
	struct error error = {0};
	struct buffer buffer = BUFFER_INIT(TEXT_LIMIT);
	assert_int_equal(buffer_append_text(&buffer, text, &error), STATUS_OK);
	enum status status = moment_globals_open_end(&buffer, &error);
	assert_int_equal(status, expected != NULL ? STATUS_OK : STATUS_FAILED);
	assert_string_equal(buffer_text(&buffer), expected != NULL ? expected : text);
	buffer_free(&buffer);
}

static void test_open_end(void **state)
{
	(void)state;
	static const char closing[] = "--\n-- PostgreSQL database cluster dump complete\n--\n\n";
	assert_opened("CREATE ROLE a;\n--\n-- PostgreSQL database cluster dump complete\n--\n\n", "CREATE ROLE a;\n");
	assert_opened(closing, "");
	/* Only the last one closes: a comment on a role may look like it. */
	assert_opened("--\n-- PostgreSQL database cluster dump complete\n--\n\n"
				  "--\n-- PostgreSQL database cluster dump complete\n--\n\n",
				  closing);
	assert_opened("", NULL);
	assert_opened("CREATE ROLE a;\n", NULL);
	assert_opened("CREATE ROLE a;\n--\n-- PostgreSQL database cluster dump complete\n--\n", NULL);
	assert_opened("--\n-- PostgreSQL database cluster dump complete\n--\n\nCREATE ROLE a;\n", NULL);
}

static void assert_name(const char *database, const char *schema, const char *table, const char *expected)
{
	struct error error = {0};
	struct buffer name = BUFFER_INIT(TEXT_LIMIT);
	assert_int_equal(row_counts_name(&name, database, schema, table, &error), STATUS_OK);
	assert_string_equal(buffer_text(&name), expected);
	buffer_free(&name);
}

static void test_names(void **state)
{
	(void)state;
	assert_name("shop", "public", "users", "shop.public.users");
	assert_name("My \"odd\" D'b", "a.b", "größe\n✓", "My \"odd\" D'b.a.b.größe\n✓");
	/* Two that differ in bytes beyond ASCII stay two. */
	assert_name("latin1", "public",
				"gr\xf6\xdf"
				"e",
				"latin1.public.gr\\xF6\\xDFe");
	assert_name("latin1", "public",
				"gr\xe4\xdf"
				"e",
				"latin1.public.gr\\xE4\\xDFe");
	assert_name("d\xff", "ö", "t", "d\\xFF.\\xC3\\xB6.t");
}

static void test_name_too_long(void **state)
{
	(void)state;
	struct error error = {0};
	struct buffer name = BUFFER_INIT(8);
	assert_int_not_equal(row_counts_name(&name, "database", "schema", "table", &error), STATUS_OK);
	buffer_free(&name);
	name.limit = 10; /* enough for the bytes, not for how they are written */
	assert_int_not_equal(row_counts_name(&name, "\xff\xff", "\xff\xff", "\xff\xff", &error), STATUS_OK);
	buffer_free(&name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_end),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_name_too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
