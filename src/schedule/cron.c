#include "schedule/cron.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BLANKS " \t"

struct field_rule {
	const char *name;
	const char *hint;
	const char *const *names; /* of the values from `low` on, or NULL */
	unsigned names_count;
	unsigned low;
	unsigned high;
	unsigned last; /* high, but for weekdays, where 7 is Sunday again */
};

static const char *const months[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
									 "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
static const char *const weekdays[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

static const struct field_rule rules[CRON_FIELDS] = {
	[CRON_MINUTE] = {"minute", "write 0 to 59, or * for every minute", NULL, 0, 0, 59, 59},
	[CRON_HOUR] = {"hour", "write 0 to 23, or * for every hour", NULL, 0, 0, 23, 23},
	[CRON_DAY] = {"day of the month", "write 1 to 31, or * for every day", NULL, 0, 1, 31, 31},
	[CRON_MONTH] = {"month", "write 1 to 12, JAN to DEC, or * for every month", months, 12, 1, 12, 12},
	[CRON_WEEKDAY] = {"weekday", "write 0 to 7 (0 and 7 are Sunday), SUN to SAT, or * for every day", weekdays, 7, 0, 7,
					  6},
};

static const struct {
	const char *word;
	const char *fields;
} presets[] = {
	{"hourly", "0 * * * *"},   {"daily", "0 2 * * *"},   {"weekly", "0 2 * * 0"},    {"monthly", "0 2 1 * *"},
	{"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
	{"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"},
};

/* One element of a field's list, "MON-FRI/2", while it is read. */
struct element {
	const struct field_rule *rule;
	const char *text;
	const char *at;   /* what comes next */
	bool first_named; /* the range begins with a name */
	bool last_named;
};

static enum status not_understood(const struct element *element, struct error *error)
{
	error_set(error, STATUS_USAGE, "the %s \"%s\" cannot be understood", element->rule->name, element->text);
	return error_hint(error, "%s; also lists (1,3), ranges (1-5) and steps (*/2, 1-5/2)", element->rule->hint);
}

/* Digits, as a number that stays far from overflowing; false if `length` characters are not digits alone. */
static bool parse_digits(const char *text, size_t length, unsigned *ret_number)
{
	unsigned number = 0;
	for (size_t i = 0; i < length; i++) {
		if (!isdigit((unsigned char)text[i])) {
			return false;
		}
		number = number < 100000 ? number * 10 + (unsigned)(text[i] - '0') : number;
	}
	*ret_number = number;
	return length > 0;
}

static size_t word_length(const char *text)
{
	size_t length = 0;
	while (isalnum((unsigned char)text[length])) {
		length++;
	}
	return length;
}

static enum status parse_value(struct element *element, unsigned *ret_value, bool *ret_named, struct error *error)
{
	const struct field_rule *rule = element->rule;
	const char *word = element->at;
	size_t length = word_length(word);
	element->at += length;
	for (unsigned i = 0; i < rule->names_count; i++) {
		if (length == strlen(rule->names[i]) && strncasecmp(word, rule->names[i], length) == 0) {
			*ret_value = rule->low + i;
			*ret_named = true;
			return STATUS_OK;
		}
	}
	unsigned value = 0;
	if (length == 0) {
		return not_understood(element, error);
	}
	if (!parse_digits(word, length, &value)) {
		error_set(error, STATUS_USAGE, "the %s \"%.*s\" is not %s", rule->name, (int)length, word,
				  rule->names != NULL ? "a number or a name that is known" : "a number");
		return error_hint(error, "%s", rule->hint);
	}
	if (value < rule->low || value > rule->high) {
		error_set(error, STATUS_USAGE, "the %s \"%.*s\" is %s than %u", rule->name, (int)length, word,
				  value < rule->low ? "less" : "more", value < rule->low ? rule->low : rule->high);
		return error_hint(error, "%s", rule->hint);
	}
	*ret_value = value;
	*ret_named = false;
	return STATUS_OK;
}

static enum status parse_step(struct element *element, unsigned *ret_step, struct error *error)
{
	const struct field_rule *rule = element->rule;
	size_t length = word_length(element->at);
	unsigned step = 0;
	if (!parse_digits(element->at, length, &step)) {
		return not_understood(element, error);
	}
	element->at += length;
	unsigned most = rule->high - rule->low;
	if (step < 1 || step > most) {
		error_set(error, STATUS_USAGE, "the step of the %s \"%s\" is %s", rule->name, element->text,
				  step < 1 ? "0" : "larger than the field");
		return error_hint(error, "write a step of 1 to %u, or a single number without one", most);
	}
	*ret_step = step;
	return STATUS_OK;
}

/* "FRI" or "FRI-SAT" */
static void format_range(const struct field_rule *rule, unsigned from, unsigned to, bool named, char text[32])
{
	char ends[2][12];
	for (int i = 0; i < 2; i++) {
		unsigned value = i == 0 ? from : to;
		if (named) {
			snprintf(ends[i], sizeof ends[i], "%s", rule->names[value - rule->low]);
		} else {
			snprintf(ends[i], sizeof ends[i], "%u", value);
		}
	}
	snprintf(text, 32, "%s%s%s", ends[0], from == to ? "" : "-", from == to ? "" : ends[1]);
}

/* cron takes such a range and then never runs. FRI-SUN is one of them: the name stands for 0. */
static enum status runs_backwards(const struct element *element, unsigned from, unsigned to, unsigned step,
								  struct error *error)
{
	const struct field_rule *rule = element->rule;
	bool named = element->first_named && element->last_named;
	error_set(error, STATUS_USAGE, "the %s \"%s\" runs backwards", rule->name, element->text);
	if (step > 1) {
		return error_hint(error, "write each %s, with commas between", rule->name);
	}
	char before[32];
	char after[32];
	format_range(rule, rule->low, to, named, after);
	if (from > rule->last) { /* weekday 7 */
		return error_hint(error, "write %s", after);
	}
	format_range(rule, from, rule->last, named, before);
	return error_hint(error, "write %s,%s", before, after);
}

static enum status parse_element(const struct field_rule *rule, const char *text, uint64_t *values, struct error *error)
{
	struct element element = {.rule = rule, .text = text, .at = text};
	unsigned from = rule->low;
	unsigned to = rule->high;
	unsigned step = 1;
	bool range = true;
	if (*element.at == '*') {
		element.at++;
	} else {
		enum status status = parse_value(&element, &from, &element.first_named, error);
		if (status != STATUS_OK) {
			return status;
		}
		to = from;
		range = *element.at == '-';
		if (range) {
			element.at++;
			status = parse_value(&element, &to, &element.last_named, error);
			if (status != STATUS_OK) {
				return status;
			}
		}
	}
	const char *slash = element.at;
	if (*slash == '/') {
		element.at++;
		enum status status = parse_step(&element, &step, error);
		if (status != STATUS_OK) {
			return status;
		}
	}
	if (*element.at != '\0') {
		return not_understood(&element, error);
	}
	if (*slash == '/' && !range) {
		error_set(error, STATUS_USAGE, "the %s \"%s\" has a step but no range", rule->name, text);
		return error_hint(error, "write %.*s-%u%s", (int)(slash - text), text,
						  from > rule->last ? rule->high : rule->last, slash);
	}
	if (to < from) {
		return runs_backwards(&element, from, to, step, error);
	}
	for (unsigned value = from; value <= to; value += step) {
		*values |= UINT64_C(1) << value;
	}
	return STATUS_OK;
}

static enum status parse_field(enum cron_field field, char *text, struct cron *cron, struct error *error)
{
	const struct field_rule *rule = &rules[field];
	uint64_t *values = &cron->values[field];
	cron->star[field] = *text == '*';
	for (char *rest = text; rest != NULL;) {
		char *element = strsep(&rest, ",");
		if (*element == '\0') {
			error_set(error, STATUS_USAGE, "the %s has an empty element in its list", rule->name);
			return error_hint(error, "remove the comma that is one too many");
		}
		enum status status = parse_element(rule, element, values, error);
		if (status != STATUS_OK) {
			return status;
		}
	}
	if (field == CRON_WEEKDAY) {
		*values = (*values | *values >> 7) & 0x7f;
	}
	return STATUS_OK;
}

enum cron_days cron_days(const struct cron *cron)
{
	bool any_day = cron->values[CRON_DAY] == UINT64_C(0xfffffffe);
	bool any_weekday = cron->values[CRON_WEEKDAY] == UINT64_C(0x7f);
	if (!cron->star[CRON_DAY] && !cron->star[CRON_WEEKDAY]) {
		return any_day || any_weekday ? CRON_DAYS_ALL : CRON_DAYS_EITHER;
	}
	if (any_day) {
		return any_weekday ? CRON_DAYS_ALL : CRON_DAYS_OF_WEEK;
	}
	return any_weekday ? CRON_DAYS_OF_MONTH : CRON_DAYS_BOTH;
}

/* Whether the months have any of the days. A weekday comes by on every date, in the course of the years. */
static bool date_comes(const struct cron *cron)
{
	static const unsigned char days[] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	enum cron_days rule = cron_days(cron);
	if (rule != CRON_DAYS_OF_MONTH && rule != CRON_DAYS_BOTH) {
		return true;
	}
	for (unsigned month = 1; month <= 12; month++) {
		uint64_t in_month = (UINT64_C(2) << days[month]) - 2;
		if ((cron->values[CRON_MONTH] >> month & 1) != 0 && (cron->values[CRON_DAY] & in_month) != 0) {
			return true;
		}
	}
	return false;
}

static enum status check_characters(const char *text, struct error *error)
{
	if (strnlen(text, CRON_TEXT_SIZE) == CRON_TEXT_SIZE) {
		error_set(error, STATUS_USAGE, "the schedule has more than %d characters", CRON_TEXT_SIZE - 1);
		return error_hint(error, "ranges (1-5) and steps (*/2) make it shorter");
	}
	for (; *text != '\0'; text++) {
		bool control = iscntrl((unsigned char)*text) && *text != '\t';
		if (control || *text == '%') {
			error_set(error, STATUS_USAGE, "the schedule contains %s",
					  !control                         ? "\"%\""
					  : *text == '\n' || *text == '\r' ? "a line break"
													   : "a control character");
			return error_hint(error, "write five fields in one line, such as \"0 2 * * *\"");
		}
	}
	return STATUS_OK;
}

/* A text that does not have five fields. */
static enum status wrong_count(const char *first, size_t count, struct error *error)
{
	if (count == 1 && strcasecmp(first, "@reboot") == 0) {
		error_set(error, STATUS_USAGE, "\"@reboot\" has no time");
	} else if (count == 0) {
		error_set(error, STATUS_USAGE, "the schedule is empty");
	} else if (count == 1 && strcspn(first, "*0123456789") > 0) {
		error_set(error, STATUS_USAGE, "the schedule \"%s\" is not known", first);
	} else {
		error_set(error, STATUS_USAGE, "the schedule has %zu field%s where there have to be 5", count,
				  count == 1 ? "" : "s");
		return error_hint(error, "write minute, hour, day of the month, month and weekday, such as \"0 2 * * *\"");
	}
	return error_hint(error, "write hourly, daily, weekly, monthly or five fields, such as \"0 2 * * *\"");
}

enum status cron_parse(const char *text, struct cron *ret_cron, struct error *error)
{
	enum status status = check_characters(text, error);
	if (status != STATUS_OK) {
		return status;
	}
	text += strspn(text, BLANKS);
	size_t word = strcspn(text, BLANKS);
	bool alone = text[word + strspn(text + word, BLANKS)] == '\0';
	for (size_t i = 0; alone && i < sizeof presets / sizeof *presets; i++) {
		if (strlen(presets[i].word) == word && strncasecmp(text, presets[i].word, word) == 0) {
			return cron_parse(presets[i].fields, ret_cron, error);
		}
	}
	char copy[CRON_TEXT_SIZE];
	snprintf(copy, sizeof copy, "%s", text);
	char *fields[CRON_FIELDS] = {NULL};
	size_t count = 0;
	char *rest = NULL;
	for (char *field = strtok_r(copy, BLANKS, &rest); field != NULL; field = strtok_r(NULL, BLANKS, &rest)) {
		if (count < CRON_FIELDS) {
			fields[count] = field;
		}
		count++;
	}
	if (count != CRON_FIELDS) {
		return wrong_count(count > 0 ? fields[0] : "", count, error);
	}
	struct cron cron = {0};
	snprintf(cron.text, sizeof cron.text, "%s %s %s %s %s", fields[0], fields[1], fields[2], fields[3], fields[4]);
	for (unsigned i = 0; i < CRON_FIELDS; i++) {
		status = parse_field(i, fields[i], &cron, error);
		if (status != STATUS_OK) {
			return status;
		}
	}
	if (!date_comes(&cron)) {
		error_set(error, STATUS_USAGE, "the date of \"%s\" never comes", cron.text);
		return error_hint(error, "choose a day that the month has");
	}
	*ret_cron = cron;
	return STATUS_OK;
}
