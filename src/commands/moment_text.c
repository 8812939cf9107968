#include "commands/moment_text.h"

#include "base/units.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* A time in UTC as the manifest has it (RFC 3339), as local time of day with its milliseconds. */
static bool local_time(const char *text, char *ret_text, size_t size)
{
	struct tm calendar = {0};
	char clock[16];
	const char *rest = text != NULL ? strptime(text, "%Y-%m-%dT%H:%M:%S", &calendar) : NULL;
	unsigned milliseconds = 0;
	if (rest == NULL || sscanf(rest, ".%3uZ", &milliseconds) != 1) {
		return false;
	}
	time_t moment = timegm(&calendar);
	localtime_r(&moment, &calendar);
	strftime(clock, sizeof clock, "%H:%M:%S", &calendar);
	snprintf(ret_text, size, "%s.%03u", clock, milliseconds);
	return true;
}

const char *moment_text(const struct backup *backup, char ret_text[MOMENT_TEXT_SIZE])
{
	static const char *const numbers[] = {"no", "one", "two", "three", "four", "five", "six", "seven", "eight"};
	char clock[32];
	char duration[UNITS_SIZE];
	size_t stores = 0;
	ret_text[0] = '\0';
	for (size_t i = 0; i < STORE_COUNT; i++) {
		stores += backup->stores[i].status == STORE_OK;
	}
	const char *cut = json_string_value(json_object_get(backup->manifest, "cut"));
	if (!local_time(cut, clock, sizeof clock) || stores >= sizeof numbers / sizeof *numbers) {
		return ret_text;
	}
	double window = json_number_value(json_object_get(backup->manifest, "window_milliseconds"));
	bool one = json_is_true(json_object_get(backup->manifest, "one_moment"));
	if (window < 1000) {
		snprintf(duration, sizeof duration, "%.0f ms", ceil(window));
	} else {
		(void)units_seconds(window / 1000, duration);
	}
	snprintf(ret_text, MOMENT_TEXT_SIZE, "%s%s store%s at %s%s, frozen for %s%s", stores == STORE_COUNT ? "all " : "",
			 numbers[stores], stores == 1 ? "" : "s", one ? "" : "about ", clock, duration,
			 one ? "" : ", while others wrote");
	return ret_text;
}

/* What is counted: {"rows": {"shop.public.users": 12}} are rows, in tables. */
static const struct {
	const char *kind;
	const char *one;
	const char *many;
	const char *in_one; /* NULL: the number is of the whole */
	const char *in_many;
} kinds[] = {
	{"rows", "row", "rows", "table", "tables"},
	{"keys", "key", "keys", "database", "databases"},
	{"records", "record", "records", "collection", "collections"},
	{"nodes", "node", "nodes", NULL, NULL},
	{"relationships", "relationship", "relationships", NULL, NULL},
};

const char *moment_contents_of(const struct fingerprint *fingerprint, char ret_text[MOMENT_TEXT_SIZE])
{
	size_t length = 0;
	ret_text[0] = '\0';
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds && length < MOMENT_TEXT_SIZE - 1; i++) {
		size_t names = 0;
		unsigned long long sum = fingerprint_sum(fingerprint, kinds[i].kind, &names);
		if (names == 0) {
			continue;
		}
		length += (size_t)snprintf(ret_text + length, MOMENT_TEXT_SIZE - length, "%s%llu %s", length > 0 ? ", " : "",
								   sum, sum == 1 ? kinds[i].one : kinds[i].many);
		if (kinds[i].in_one != NULL && length < MOMENT_TEXT_SIZE - 1) {
			length += (size_t)snprintf(ret_text + length, MOMENT_TEXT_SIZE - length, " in %zu %s", names,
									   names == 1 ? kinds[i].in_one : kinds[i].in_many);
		}
	}
	if (fingerprint->known && length == 0) {
		snprintf(ret_text, MOMENT_TEXT_SIZE, "nothing");
	}
	return ret_text;
}

const char *moment_contents(const struct backup *backup, size_t store, char ret_text[MOMENT_TEXT_SIZE])
{
	CLEANUP(fingerprint_free) struct fingerprint fingerprint = {0};
	struct error ignored;
	ret_text[0] = '\0';
	return backup_fingerprint(backup, store, &fingerprint, &ignored) == STATUS_OK
			   ? moment_contents_of(&fingerprint, ret_text)
			   : ret_text;
}
