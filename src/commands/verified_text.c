#include "commands/verified_text.h"

#include "base/units.h"

#include <stdio.h>

static const char *age_of(const struct verified_run *run, char text[UNITS_AGE_SIZE])
{
	return units_age(difftime(time(NULL), run->when), text);
}

const char *verified_text(const struct backup *backup, char ret_text[VERIFIED_TEXT_SIZE])
{
	const struct verified_run *read = &backup->verified.read;
	const struct verified_run *drill = &backup->verified.drill;
	char age[UNITS_AGE_SIZE];
	char drill_age[UNITS_AGE_SIZE];
	char seconds[UNITS_SIZE];
	ret_text[0] = '\0';
	if (read->when == 0) {
		return ret_text;
	}
	if (!read->good) {
		snprintf(ret_text, VERIFIED_TEXT_SIZE, "❌ verified %s: %s", age_of(read, age), read->problem);
	} else if (drill->when == 0) {
		snprintf(ret_text, VERIFIED_TEXT_SIZE, "✅ verified %s", age_of(read, age));
	} else if (!drill->good) {
		snprintf(ret_text, VERIFIED_TEXT_SIZE, "❌ drilled %s: %s", age_of(drill, age), drill->problem);
	} else {
		snprintf(ret_text, VERIFIED_TEXT_SIZE, "✅ verified %s; restored in a drill %s, in %s", age_of(read, age),
				 age_of(drill, drill_age), units_seconds(drill->seconds, seconds));
	}
	return ret_text;
}
