#include "schedule/cron.h"

/* "*" for all of them, or "01..05,10": `low` to `high` are the values that there are. */
static enum status append_set(struct buffer *lines, uint64_t set, unsigned low, unsigned high, struct error *error)
{
	bool first = true;
	for (unsigned from = low; from <= high; from++) {
		if ((set >> from & 1) == 0) {
			continue;
		}
		unsigned to = from;
		while (to < high && (set >> to & 2) != 0) {
			to++;
		}
		if (from == low && to == high) {
			return buffer_append_text(lines, "*", error);
		}
		enum status status = buffer_printf(lines, error, "%s%02u", first ? "" : ",", from);
		if (status == STATUS_OK && to > from) {
			status = buffer_printf(lines, error, "..%02u", to);
		}
		if (status != STATUS_OK) {
			return status;
		}
		first = false;
		from = to;
	}
	return STATUS_OK;
}

/* "Mon,Fri " */
static enum status append_weekdays(struct buffer *lines, uint64_t set, struct error *error)
{
	static const char *const names[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	const char *comma = "";
	for (unsigned i = 1; i <= 7; i++) {
		unsigned day = i % 7;
		if ((set >> day & 1) != 0) {
			enum status status = buffer_printf(lines, error, "%s%s", comma, names[day]);
			if (status != STATUS_OK) {
				return status;
			}
			comma = ",";
		}
	}
	return buffer_append_text(lines, " ", error);
}

static enum status append_line(const struct cron *cron, bool weekdays, bool month_days, struct buffer *lines,
							   struct error *error)
{
	static const struct {
		enum cron_field field;
		unsigned low;
		unsigned high;
		const char *before;
	} parts[] = {
		{CRON_MONTH, 1, 12, "*-"},
		{CRON_DAY, 1, 31, "-"},
		{CRON_HOUR, 0, 23, " "},
		{CRON_MINUTE, 0, 59, ":"},
	};
	enum status status = buffer_append_text(lines, "OnCalendar=", error);
	if (status == STATUS_OK && weekdays) {
		status = append_weekdays(lines, cron->values[CRON_WEEKDAY], error);
	}
	for (size_t i = 0; status == STATUS_OK && i < sizeof parts / sizeof *parts; i++) {
		bool any = parts[i].field == CRON_DAY && !month_days;
		status = buffer_append_text(lines, parts[i].before, error);
		if (status == STATUS_OK) {
			status =
				append_set(lines, any ? UINT64_MAX : cron->values[parts[i].field], parts[i].low, parts[i].high, error);
		}
	}
	return status == STATUS_OK ? buffer_append_text(lines, ":00\n", error) : status;
}

enum status cron_on_calendar(const struct cron *cron, struct buffer *ret_lines, struct error *error)
{
	enum cron_days days = cron_days(cron);
	if (days != CRON_DAYS_EITHER) {
		return append_line(cron, days == CRON_DAYS_OF_WEEK || days == CRON_DAYS_BOTH,
						   days == CRON_DAYS_OF_MONTH || days == CRON_DAYS_BOTH, ret_lines, error);
	}
	enum status status = append_line(cron, false, true, ret_lines, error);
	return status == STATUS_OK ? append_line(cron, true, false, ret_lines, error) : status;
}
