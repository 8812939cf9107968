/* stores/neo4j/counts: the question that is asked in the moment. */
#include "support.h"

#include "stores/neo4j/counts.h"
#include "stores/neo4j/http.h"

static void assert_query(const char *const *labels, const char *const *types, const char *expected)
{
	struct buffer query = BUFFER_INIT(1 << 16);
	struct error error;
	assert_ok(neo4j_counts_query(labels, types, &query, &error), &error);
	assert_string_equal(buffer_text(&query), expected);
	buffer_free(&query);
}

#define NAMES_ASKED_AS(labels, types)                                                                                  \
	" UNION ALL CALL db.labels() YIELD label AS x WITH x LIMIT 101 WITH collect(x) AS c RETURN " labels " AS i, c"     \
	" UNION ALL CALL db.relationshipTypes() YIELD relationshipType AS x WITH x LIMIT 101 WITH collect(x) AS c"         \
	" RETURN " types " AS i, c"

static void an_empty_graph_is_asked_for_its_totals(void **state)
{
	(void)state;
	assert_query((const char *const[]){NULL}, (const char *const[]){NULL},
				 "MATCH (x) WITH count(x) AS c RETURN 0 AS i, c"
				 " UNION ALL MATCH ()-[x]->() WITH count(x) AS c RETURN 1 AS i, c" NAMES_ASKED_AS("2", "3"));
}

static void labels_and_types_are_asked_for(void **state)
{
	(void)state;
	assert_query((const char *const[]){"User", NULL}, (const char *const[]){"KNOWS", "LIKES", NULL},
				 "MATCH (x) WITH count(x) AS c RETURN 0 AS i, c"
				 " UNION ALL MATCH (x:`User`) WITH count(x) AS c RETURN 1 AS i, c"
				 " UNION ALL MATCH ()-[x]->() WITH count(x) AS c RETURN 2 AS i, c"
				 " UNION ALL MATCH ()-[x:`KNOWS`]->() WITH count(x) AS c RETURN 3 AS i, c"
				 " UNION ALL MATCH ()-[x:`LIKES`]->() WITH count(x) AS c RETURN 4 AS i, c" NAMES_ASKED_AS("5", "6"));
}

static void names_are_taken_as_they_are(void **state)
{
	(void)state;
	assert_query((const char *const[]){"a `b` c", "a\\u0060b", "c\\d", "}) DELETE n //", NULL},
				 (const char *const[]){NULL},
				 "MATCH (x) WITH count(x) AS c RETURN 0 AS i, c"
				 " UNION ALL MATCH (x:`a ``b`` c`) WITH count(x) AS c RETURN 1 AS i, c"
				 " UNION ALL MATCH (x:`a\\u005cu0060b`) WITH count(x) AS c RETURN 2 AS i, c"
				 " UNION ALL MATCH (x:`c\\d`) WITH count(x) AS c RETURN 3 AS i, c"
				 " UNION ALL MATCH (x:`}) DELETE n //`) WITH count(x) AS c RETURN 4 AS i, c"
				 " UNION ALL MATCH ()-[x]->() WITH count(x) AS c RETURN 5 AS i, c" NAMES_ASKED_AS("6", "7"));
}

static void credentials_are_taken_out_of_what_the_image_is_told(void **state)
{
	static const char *const cases[][2] = {
		{NULL, "none"},
		{"none", "none"},
		{"neo4j/secret", "neo4j:secret"},
		{"neo4j/secret/true", "neo4j:secret"},
		{"neo4j/pass/word", "neo4j:pass/word"},
		{"neo4j/true", "neo4j:true"},
		{"a/b/", "a:b/"},
		{"a//", "a:/"},
		{"//", ":/"},
		{"/", ":"},
		{"a//true", "a:"},
		{"", ""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		CLEANUP(cleanup_free) char *credentials = neo4j_http_credentials(cases[i][0]);
		assert_string_equal(credentials, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_graph_is_asked_for_its_totals),
		cmocka_unit_test(labels_and_types_are_asked_for),
		cmocka_unit_test(names_are_taken_as_they_are),
		cmocka_unit_test(credentials_are_taken_out_of_what_the_image_is_told),
	};
	return cmocka_run_group_tests_name("neo4j_counts", tests, NULL, NULL);
}
