/* When the machine's schedulers run a job: by the machine's zone, and not by that of TZ here. */
#include "schedule/cron.h"

#include <stdlib.h>
#include <string.h>

/* Without TZ the zone is the machine's, /etc/localtime (tzset(3)). */
static char *leave_zone(void)
{
	const char *zone = getenv("TZ");
	char *kept = zone != NULL ? strdup(zone) : NULL;
	if (kept != NULL) { /* without memory, the zone stays: better than that it is lost */
		(void)unsetenv("TZ");
	}
	tzset();
	return kept;
}

static void return_to_zone(char *kept)
{
	if (kept != NULL) {
		(void)setenv("TZ", kept, 1);
		tzset();
	}
	free(kept);
}

time_t cron_next_here(const struct cron *cron, bool timer, time_t after)
{
	char *zone = leave_zone();
	time_t next = timer ? cron_next_timer(cron, after) : cron_next(cron, after);
	return_to_zone(zone);
	return next;
}

bool cron_zone_differs(time_t moment)
{
	struct tm shown;
	struct tm machine;
	localtime_r(&moment, &shown);
	char *zone = leave_zone();
	localtime_r(&moment, &machine);
	return_to_zone(zone);
	return shown.tm_gmtoff != machine.tm_gmtoff;
}
