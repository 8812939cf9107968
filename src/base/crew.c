#include "base/crew.h"

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/thread.h"

enum member_state { MEMBER_FREE, MEMBER_AT_WORK, MEMBER_DONE };

struct member {
	struct progress progress;
	struct crew *crew;
	pthread_t thread;
	bool has_thread;
	size_t index; /* of its piece of work */
	enum member_state state;
	struct crew_end end;
};

struct crew {
	const struct crew_plan *plan;
	struct interrupt_stop stop;
	pthread_mutex_t mutex; /* over the states of the members, and `progress` */
	pthread_cond_t changed;
	struct progress *progress; /* of who called */
	struct member members[CREW_MOST];
};

/* --- a member ----------------------------------------------------------------------------------------------------- */

static void on_step(struct progress *progress, const char *text, uint64_t total_bytes)
{
	(void)progress;
	(void)text;
	(void)total_bytes;
}

static void on_advance(struct progress *progress, uint64_t bytes)
{
	struct crew *crew = ((struct member *)progress)->crew;
	pthread_mutex_lock(&crew->mutex);
	progress_advance(crew->progress, bytes);
	pthread_mutex_unlock(&crew->mutex);
}

static void on_warn(struct progress *progress, const char *text)
{
	struct crew *crew = ((struct member *)progress)->crew;
	pthread_mutex_lock(&crew->mutex);
	progress_warn(crew->progress, "%s", text);
	pthread_mutex_unlock(&crew->mutex);
}

static void do_piece(struct member *member)
{
	const struct crew_plan *plan = member->crew->plan;
	double began = clock_seconds();
	member->end.status = plan->work(plan->context, member->index, &member->progress, &member->end.error);
	member->end.seconds = clock_seconds() - began;
}

static void *work(void *context)
{
	struct member *member = context;
	struct crew *crew = member->crew;
	interrupt_obey(&crew->stop);
	do_piece(member);
	pthread_mutex_lock(&crew->mutex);
	member->state = MEMBER_DONE;
	pthread_cond_signal(&crew->changed);
	pthread_mutex_unlock(&crew->mutex);
	return NULL;
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

/* The first such member's index; CREW_MOST if there is none. With the mutex. */
static size_t find_member(const struct crew *crew, enum member_state state)
{
	size_t i = 0;
	while (i < CREW_MOST && crew->members[i].state != state) {
		i++;
	}
	return i;
}

/* With the mutex. Without a thread it is done here, and now. */
static void begin(struct crew *crew, size_t index)
{
	struct member *member = &crew->members[find_member(crew, MEMBER_FREE)];
	*member = (struct member){
		.progress = {.step = on_step, .advance = on_advance, .warn = on_warn},
		.crew = crew,
		.index = index,
		.state = MEMBER_AT_WORK,
	};
	member->has_thread = thread_start(&member->thread, work, member);
	if (!member->has_thread) {
		pthread_mutex_unlock(&crew->mutex);
		do_piece(member);
		pthread_mutex_lock(&crew->mutex);
		member->state = MEMBER_DONE;
	}
}

/* With the mutex: waits for one that is done, and hears how it ended. */
static enum status end_one(struct crew *crew, struct error *error)
{
	size_t done = CREW_MOST;
	while ((done = find_member(crew, MEMBER_DONE)) == CREW_MOST) {
		pthread_cond_wait(&crew->changed, &crew->mutex);
	}
	struct member *member = &crew->members[done];
	if (member->has_thread) {
		pthread_join(member->thread, NULL); /* it has let go of the mutex */
	}
	member->state = MEMBER_FREE;
	return crew->plan->ended(crew->plan->context, member->index, &member->end, error);
}

enum status crew_run(const struct crew_plan *plan, struct progress *progress, struct error *error)
{
	struct crew crew = {.plan = plan, .stop = {.outer = interrupt_obeyed()}, .progress = progress};
	enum status status = STATUS_OK;
	size_t at_work = 0;
	size_t begun = 0;
	pthread_mutex_init(&crew.mutex, NULL);
	pthread_cond_init(&crew.changed, NULL);
	pthread_mutex_lock(&crew.mutex);
	while (at_work > 0 || (status == STATUS_OK && begun < plan->count)) {
		if (status == STATUS_OK && begun < plan->count && at_work < plan->at_once) {
			begin(&crew, begun++);
			at_work++;
			continue;
		}
		struct error failure;
		enum status ended = end_one(&crew, &failure);
		at_work--;
		if (ended != STATUS_OK && status == STATUS_OK) {
			status = ended;
			*error = failure;
			crew.stop.asked = true;
		}
	}
	pthread_mutex_unlock(&crew.mutex);
	pthread_cond_destroy(&crew.changed);
	pthread_mutex_destroy(&crew.mutex);
	return status;
}
