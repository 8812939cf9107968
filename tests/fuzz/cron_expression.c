/* schedule/cron: what is taken is taken again in its normal form, and does for all that is made of it. */
#include "fuzz.h"

#include "schedule/cron.h"

enum { MOMENT = 1767225600 }; /* 2026-01-01T00:00:00Z */

static bool is_in(const struct cron *cron, enum cron_field field, int value)
{
	return (cron->values[field] >> value & 1) != 0;
}

static bool is_plain(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text < ' ' || *text > '~') {
			return false;
		}
	}
	return true;
}

static void check_next(const struct cron *cron)
{
	time_t next = cron_next(cron, MOMENT);
	struct tm calendar;
	HOLDS(next > MOMENT && next % 60 == 0);
	HOLDS(cron_next(cron, next - 1) == next);
	HOLDS(cron_next_timer(cron, MOMENT) == next); /* the clock of UTC never changes */
	gmtime_r(&next, &calendar);
	HOLDS(is_in(cron, CRON_MINUTE, calendar.tm_min) && is_in(cron, CRON_HOUR, calendar.tm_hour) &&
		  is_in(cron, CRON_MONTH, calendar.tm_mon + 1));
	bool day = is_in(cron, CRON_DAY, calendar.tm_mday);
	bool weekday = is_in(cron, CRON_WEEKDAY, calendar.tm_wday);
	HOLDS(cron->star[CRON_DAY] || cron->star[CRON_WEEKDAY] ? day && weekday : day || weekday);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *text = fuzz_text(data, size);
	struct cron cron = {.text = "untouched"};
	struct cron again = {0};
	struct error error = {.message = ""};
	setenv("TZ", "UTC", 1);
	enum status status = cron_parse(text, &cron, &error);
	if (status != STATUS_OK) {
		HOLDS(status == STATUS_USAGE && error.message[0] != '\0' && error.hint[0] != '\0');
		HOLDS(strcmp(cron.text, "untouched") == 0);
		return 0;
	}
	char words[CRON_WORDS_SIZE];
	CLEANUP(buffer_free) struct buffer lines = BUFFER_INIT(CRON_CALENDAR_SIZE);
	HOLDS(cron_parse(cron.text, &again, &error) == STATUS_OK);
	HOLDS(memcmp(cron.values, again.values, sizeof cron.values) == 0 &&
		  memcmp(cron.star, again.star, sizeof cron.star) == 0);
	HOLDS(strcmp(cron.text, again.text) == 0);
	HOLDS(strlen(cron_in_words(&cron, words)) > 0 && is_plain(words));
	HOLDS(cron_on_calendar(&cron, &lines, &error) == STATUS_OK && lines.length > 0);
	check_next(&cron);
	return 0;
}
