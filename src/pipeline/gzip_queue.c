#include "pipeline/gzip_queue.h"

#include "base/interrupt.h"
#include "base/thread.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

enum {
	SLOTS = 10, /* so that who reads and who writes may be held up for some milliseconds before others have to wait */
	SLOT_CONTENT = GZIP_MEMBER_SIZE + 65536, /* bytes: a member, and the header of its entry before it */
	SLOT_PIECES = 512,
	SLOT_MEMBERS = SLOT_CONTENT + SLOT_PIECES * 64 + 4096, /* bytes: what pieces become at the most */
	WAIT_MILLISECONDS = 50,                                /* between two looks for an interrupt */
};

/* What becomes one member. */
struct piece {
	struct gzip_place *ret_place; /* lent, or NULL */
	struct gzip_place *ret_entry; /* the same, if it is the last of its entry */
	uint64_t from;                /* offset of the member that it repeats */
	uint32_t content;             /* bytes; 0 if it repeats one */
	uint32_t member;              /* bytes: known from the start if it repeats one, else once it is compressed */
	bool begins;                  /* the first of its entry */
};

/* What is compressed by one thread and written at once. */
struct slot {
	char *content; /* SLOT_CONTENT bytes */
	char *members; /* SLOT_MEMBERS bytes */
	size_t content_length;
	size_t room; /* of `members` that the pieces may need */
	size_t members_length;
	size_t count;
	bool ready; /* its members are made */
	struct piece pieces[SLOT_PIECES];
};

/* What is done to slots in order, by one thread at a time. */
struct stage {
	uint64_t next; /* the slot whose turn it is */
	bool busy;
};

struct gzip_queue {
	const struct gzip_queue_ops *ops; /* lent */
	void *context;                    /* lent */
	unsigned threads;
	struct slot *slots; /* SLOTS of them */
	char *memory;       /* of all slots; NULL while nothing is under way */

	/* The caller's own: */
	bool filling; /* the slot `sealed` */
	bool begins;  /* an entry, with the next piece */
	pthread_t workers[GZIP_QUEUE_THREADS];
	unsigned started;
	struct gzip_compressor *compressor; /* for when it works itself; NULL until then */

	/* Of who writes, one at a time: */
	uint64_t entry; /* where the last one began */
	uint64_t end;   /* of what is written */

	pthread_mutex_t mutex; /* over what follows */
	pthread_cond_t work;   /* there is some, or no more will come */
	pthread_cond_t passed; /* a slot has been written or noted, or something has failed */
	uint64_t sealed;       /* slots that are full: those before this number */
	uint64_t taken;        /* to be compressed */
	struct stage writing;
	struct stage noting;
	bool stopping;
	enum status status; /* of the first failure */
	struct error error;
};

static struct slot *slot_of(struct gzip_queue *queue, uint64_t number)
{
	return &queue->slots[number % SLOTS];
}

/* Slots before this number can be filled again. With the mutex. */
static uint64_t passed(const struct gzip_queue *queue)
{
	return queue->writing.next < queue->noting.next ? queue->writing.next : queue->noting.next;
}

/* --- what threads do: each with the mutex, which it lets go of meanwhile; false if it is not the time for it --------
 */

static void fail(struct gzip_queue *queue, const struct error *error)
{
	if (queue->status == STATUS_OK) {
		queue->status = error->status;
		queue->error = *error;
	}
}

static enum status make_member(struct gzip_queue *queue, struct gzip_compressor *compressor, struct piece *piece,
							   const char *content, char *member, struct error *error)
{
	if (piece->content == 0) {
		return queue->ops->read(queue->context, piece->from, member, piece->member, error);
	}
	size_t length = 0;
	enum status status = gzip_compress(compressor, content, piece->content, member, &length, error);
	piece->member = (uint32_t)length;
	return status;
}

static enum status make_members(struct gzip_queue *queue, struct gzip_compressor *compressor, struct slot *slot,
								struct error *error)
{
	enum status status = STATUS_OK;
	const char *content = slot->content;
	char *member = slot->members;
	for (size_t i = 0; status == STATUS_OK && i < slot->count; i++) {
		struct piece *piece = &slot->pieces[i];
		status = make_member(queue, compressor, piece, content, member, error);
		content += piece->content;
		member += piece->member;
	}
	slot->members_length = (size_t)(member - slot->members);
	return status;
}

static bool try_compress(struct gzip_queue *queue, struct gzip_compressor *compressor)
{
	if (queue->taken == queue->sealed) {
		return false;
	}
	struct slot *slot = slot_of(queue, queue->taken++);
	struct error error;
	pthread_mutex_unlock(&queue->mutex);
	enum status status = make_members(queue, compressor, slot, &error);
	pthread_mutex_lock(&queue->mutex);
	slot->ready = true;
	if (status != STATUS_OK) {
		fail(queue, &error);
	}
	return true;
}

static enum status write_slot(struct gzip_queue *queue, const struct slot *slot, struct error *error)
{
	uint64_t at = 0;
	enum status status = queue->ops->write(queue->context, slot->members, slot->members_length, &at, error);
	for (size_t i = 0; status == STATUS_OK && i < slot->count; i++) {
		const struct piece *piece = &slot->pieces[i];
		queue->entry = piece->begins ? at : queue->entry;
		if (piece->ret_place != NULL) {
			*piece->ret_place = (struct gzip_place){at, piece->member};
		}
		at += piece->member;
		if (piece->ret_entry != NULL) {
			*piece->ret_entry = (struct gzip_place){queue->entry, at - queue->entry};
		}
	}
	queue->end = at;
	return status;
}

static enum status note_slot(struct gzip_queue *queue, const struct slot *slot, struct error *error)
{
	return queue->ops->note(queue->context, slot->members, slot->members_length, error);
}

static bool try_stage(struct gzip_queue *queue, struct stage *stage,
					  enum status (*pass)(struct gzip_queue *queue, const struct slot *slot, struct error *error))
{
	const struct slot *slot = slot_of(queue, stage->next);
	if (stage->busy || stage->next == queue->taken || !slot->ready) {
		return false;
	}
	struct error error;
	stage->busy = true;
	pthread_mutex_unlock(&queue->mutex);
	enum status status = pass(queue, slot, &error);
	pthread_mutex_lock(&queue->mutex);
	stage->busy = false;
	stage->next++;
	if (status != STATUS_OK) {
		fail(queue, &error);
	}
	pthread_cond_signal(&queue->passed);
	return true;
}

/* What comes first in order goes first, since it makes room. Nothing is done any more after a failure. */
static bool work_on_one(struct gzip_queue *queue, struct gzip_compressor *compressor)
{
	return queue->status == STATUS_OK &&
		   (try_stage(queue, &queue->writing, write_slot) || try_stage(queue, &queue->noting, note_slot) ||
			try_compress(queue, compressor));
}

static void *work(void *context)
{
	struct gzip_queue *queue = context;
	struct error error;
	CLEANUP(cleanup_gzip_compressor) struct gzip_compressor *compressor = NULL;
	enum status status = gzip_compressor_new(&compressor, &error);
	pthread_mutex_lock(&queue->mutex);
	if (status != STATUS_OK) {
		fail(queue, &error);
	}
	while (!queue->stopping && queue->status == STATUS_OK) {
		if (work_on_one(queue, compressor)) {
			pthread_cond_broadcast(&queue->work); /* what was done may be what another stage waits for */
		} else {
			pthread_cond_wait(&queue->work, &queue->mutex);
		}
	}
	pthread_cond_broadcast(&queue->work);
	pthread_cond_signal(&queue->passed);
	pthread_mutex_unlock(&queue->mutex);
	return NULL;
}

/* --- the caller -----------------------------------------------------------------------------------------------------
 */

enum status gzip_queue_new(const struct gzip_queue_ops *ops, void *context, unsigned threads,
						   struct gzip_queue **ret_queue, struct error *error)
{
	struct gzip_queue *queue = calloc(1, sizeof *queue);
	if (queue == NULL) {
		return error_memory(error);
	}
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	queue->ops = ops;
	queue->context = context;
	queue->threads = threads > 0 ? threads : cores > 0 ? (unsigned)cores : 1;
	queue->threads = queue->threads < GZIP_QUEUE_THREADS ? queue->threads : GZIP_QUEUE_THREADS;
	queue->slots = calloc(SLOTS, sizeof *queue->slots);
	if (queue->slots == NULL) {
		free(queue);
		return error_memory(error);
	}
	thread_condition_init(&queue->passed);
	pthread_cond_init(&queue->work, NULL);
	pthread_mutex_init(&queue->mutex, NULL);
	*ret_queue = queue;
	return STATUS_OK;
}

static enum status take_memory(struct gzip_queue *queue, struct error *error)
{
	const size_t size = SLOT_CONTENT + SLOT_MEMBERS;
	void *memory = mmap(NULL, SLOTS * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		return error_memory(error);
	}
	queue->memory = memory;
	for (size_t i = 0; i < SLOTS; i++) {
		queue->slots[i].content = queue->memory + i * size;
		queue->slots[i].members = queue->slots[i].content + SLOT_CONTENT;
	}
	return STATUS_OK;
}

/* As many as can be started; without any, the caller works himself. */
static void start(struct gzip_queue *queue)
{
	while (queue->started < queue->threads && thread_start(&queue->workers[queue->started], work, queue)) {
		queue->started++;
	}
}

/* Waits until fewer than `most` slots are under way. Whatever there is to do meanwhile, the caller does as well:
 * without any other thread, all of it. */
static enum status wait_for(struct gzip_queue *queue, uint64_t most, struct error *error)
{
	enum status status = STATUS_OK;
	pthread_mutex_lock(&queue->mutex);
	while (status == STATUS_OK && queue->status == STATUS_OK && queue->sealed - passed(queue) >= most) {
		if (queue->compressor == NULL) {
			status = gzip_compressor_new(&queue->compressor, error);
		} else if (work_on_one(queue, queue->compressor)) {
			pthread_cond_broadcast(&queue->work);
		} else {
			thread_wait(&queue->passed, &queue->mutex, WAIT_MILLISECONDS);
		}
		status = status == STATUS_OK ? interrupt_check(error) : status;
	}
	if (status == STATUS_OK && queue->status != STATUS_OK) {
		*error = queue->error;
		status = queue->status;
	}
	pthread_mutex_unlock(&queue->mutex);
	return status;
}

static enum status failure(struct gzip_queue *queue, struct error *error)
{
	pthread_mutex_lock(&queue->mutex);
	enum status status = queue->status;
	if (status != STATUS_OK) {
		*error = queue->error;
	}
	pthread_mutex_unlock(&queue->mutex);
	return status;
}

/* Hands the slot that was filled to the threads. */
static void seal(struct gzip_queue *queue)
{
	queue->filling = false;
	pthread_mutex_lock(&queue->mutex);
	queue->sealed++;
	pthread_cond_signal(&queue->work);
	pthread_mutex_unlock(&queue->mutex);
}

/* Begins to fill the next slot, as soon as there is one. */
static enum status open_slot(struct gzip_queue *queue, struct error *error)
{
	enum status status = queue->memory == NULL ? take_memory(queue, error) : STATUS_OK;
	if (status == STATUS_OK) {
		status = wait_for(queue, SLOTS, error);
	}
	if (status == STATUS_OK) {
		struct slot *slot = slot_of(queue, queue->sealed);
		slot->content_length = slot->room = slot->count = 0;
		slot->ready = false;
		queue->filling = true;
	}
	return status;
}

/* The slot that is filled has room for so much, and one piece more. */
static enum status make_room(struct gzip_queue *queue, size_t content, size_t room, struct error *error)
{
	enum status status = content <= SLOT_CONTENT && room <= SLOT_MEMBERS
							 ? failure(queue, error)
							 : error_set(error, STATUS_FAILED, "a gzip member cannot have %zu bytes", room);
	if (status != STATUS_OK) {
		return status;
	}
	if (queue->filling) {
		const struct slot *slot = slot_of(queue, queue->sealed);
		if (slot->content_length + content <= SLOT_CONTENT && slot->room + room <= SLOT_MEMBERS &&
			slot->count < SLOT_PIECES) {
			return STATUS_OK;
		}
		seal(queue);
		if (queue->started == 0) {
			start(queue);
		}
	}
	return open_slot(queue, error);
}

static void add(struct gzip_queue *queue, struct piece piece, size_t room)
{
	struct slot *slot = slot_of(queue, queue->sealed);
	piece.begins = queue->begins;
	queue->begins = false;
	slot->content_length += piece.content;
	slot->room += room;
	slot->pieces[slot->count++] = piece;
}

enum status gzip_queue_lend(struct gzip_queue *queue, size_t length, char **ret_content, struct error *error)
{
	enum status status = make_room(queue, length, gzip_member_room(length), error);
	if (status == STATUS_OK) {
		const struct slot *slot = slot_of(queue, queue->sealed);
		*ret_content = slot->content + slot->content_length;
	}
	return status;
}

void gzip_queue_append(struct gzip_queue *queue, size_t length, struct gzip_place *ret_place)
{
	add(queue, (struct piece){.ret_place = ret_place, .content = (uint32_t)length}, gzip_member_room(length));
}

enum status gzip_queue_repeat(struct gzip_queue *queue, struct gzip_place place, struct gzip_place *ret_place,
							  struct error *error)
{
	enum status status = make_room(queue, 0, place.length, error);
	if (status == STATUS_OK) {
		add(queue, (struct piece){.ret_place = ret_place, .from = place.offset, .member = (uint32_t)place.length},
			place.length);
	}
	return status;
}

void gzip_queue_begin(struct gzip_queue *queue)
{
	queue->begins = true;
}

void gzip_queue_end(struct gzip_queue *queue, struct gzip_place *ret_place)
{
	/* A slot is only handed on when there is more to come, so the last piece is still here, or all was drained. */
	if (queue->filling) {
		struct slot *slot = slot_of(queue, queue->sealed);
		slot->pieces[slot->count - 1].ret_entry = ret_place;
	} else {
		*ret_place = (struct gzip_place){queue->entry, queue->end - queue->entry};
	}
}

/* Ends the threads; what they have not done is dropped. */
static void stop(struct gzip_queue *queue)
{
	pthread_mutex_lock(&queue->mutex);
	queue->stopping = true;
	pthread_cond_broadcast(&queue->work);
	pthread_mutex_unlock(&queue->mutex);
	while (queue->started > 0) {
		pthread_join(queue->workers[--queue->started], NULL);
	}
	gzip_compressor_free(MOVE(queue->compressor));
	queue->stopping = queue->filling = false;
	queue->sealed = queue->taken = 0;
	queue->writing = queue->noting = (struct stage){0};
	if (queue->memory != NULL) {
		munmap(queue->memory, SLOTS * (size_t)(SLOT_CONTENT + SLOT_MEMBERS));
		queue->memory = NULL;
	}
}

enum status gzip_queue_drain(struct gzip_queue *queue, struct error *error)
{
	enum status status = failure(queue, error);
	if (queue->filling && slot_of(queue, queue->sealed)->count > 0) {
		seal(queue);
	}
	if (status == STATUS_OK && queue->sealed > 0) {
		status = wait_for(queue, 1, error);
	}
	if (status != STATUS_OK) {
		pthread_mutex_lock(&queue->mutex);
		fail(queue, error);
		pthread_mutex_unlock(&queue->mutex);
	}
	stop(queue);
	return status;
}

void gzip_queue_free(struct gzip_queue *queue)
{
	if (queue != NULL) {
		stop(queue);
		pthread_mutex_destroy(&queue->mutex);
		pthread_cond_destroy(&queue->passed);
		pthread_cond_destroy(&queue->work);
		free(queue->slots);
		free(queue);
	}
}
