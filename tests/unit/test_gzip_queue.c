/* pipeline/gzip_queue: members made by threads, in order, and what becomes of failures. */
#include "support.h"

#include "base/interrupt.h"
#include "pipeline/gzip_queue.h"

#include <dirent.h>
#include <pthread.h>

enum { OUTPUT_LIMIT = 128 << 20, BLOCK = GZIP_MEMBER_SIZE, SLOT = GZIP_MEMBER_SIZE + 65536, SLOTS = 12 };

/* Where members go, and what shall fail. */
struct target {
	pthread_mutex_t mutex;
	struct buffer written;
	struct buffer noted;
	size_t writes;
	size_t fail_write; /* this one, counted from 1; 0: none */
	size_t fail_note;
	bool fail_read;
	useconds_t delay; /* of each write */
	bool busy;        /* writing */
	struct gzip_queue *queue;
	uint64_t content; /* of what is written */
};

static uint32_t number_at(const char *bytes)
{
	const unsigned char *byte = (const unsigned char *)bytes;
	return (uint32_t)byte[0] | (uint32_t)byte[1] << 8 | (uint32_t)byte[2] << 16 | (uint32_t)byte[3] << 24;
}

static enum status target_write(void *context, const void *bytes, size_t length, uint64_t *ret_offset,
								struct error *error)
{
	struct target *target = context;
	if (__atomic_exchange_n(&target->busy, true, __ATOMIC_SEQ_CST)) {
		return error_set(error, STATUS_FAILED, "two threads write");
	}
	if (target->delay > 0) {
		usleep(target->delay);
	}
	pthread_mutex_lock(&target->mutex);
	*ret_offset = target->written.length;
	enum status status = ++target->writes == target->fail_write ? error_set(error, STATUS_NO_SPACE, "the disk is full")
																: buffer_append(&target->written, bytes, length, error);
	for (const char *at = bytes; at < (const char *)bytes + length; at += number_at(at + 16)) {
		target->content += number_at(at + 20);
	}
	pthread_mutex_unlock(&target->mutex);
	__atomic_store_n(&target->busy, false, __ATOMIC_SEQ_CST);
	return status;
}

static enum status target_note(void *context, const void *bytes, size_t length, struct error *error)
{
	struct target *target = context;
	if (target->fail_note > 0 && --target->fail_note == 0) {
		return error_set(error, STATUS_FAILED, "cannot note it");
	}
	return buffer_append(&target->noted, bytes, length, error);
}

static enum status target_read(void *context, uint64_t offset, void *bytes, size_t length, struct error *error)
{
	struct target *target = context;
	if (target->fail_read) {
		return error_set(error, STATUS_FAILED, "cannot read it");
	}
	pthread_mutex_lock(&target->mutex);
	memcpy(bytes, target->written.data + offset, length);
	pthread_mutex_unlock(&target->mutex);
	return STATUS_OK;
}

static void open_target(struct target *target, unsigned threads)
{
	static const struct gzip_queue_ops ops = {.write = target_write, .note = target_note, .read = target_read};
	struct error error;
	*target = (struct target){
		.mutex = PTHREAD_MUTEX_INITIALIZER, .written = BUFFER_INIT(OUTPUT_LIMIT), .noted = BUFFER_INIT(OUTPUT_LIMIT)};
	assert_ok(gzip_queue_new(&ops, target, threads, &target->queue, &error), &error);
}

static void close_target(struct target *target)
{
	gzip_queue_free(target->queue);
	pthread_mutex_destroy(&target->mutex);
	buffer_free(&target->written);
	buffer_free(&target->noted);
}

static uint64_t written_content(struct target *target)
{
	pthread_mutex_lock(&target->mutex);
	uint64_t content = target->content;
	pthread_mutex_unlock(&target->mutex);
	return content;
}

static enum status append(struct target *target, const void *bytes, size_t length, struct gzip_place *place,
						  struct error *error)
{
	char *content = NULL;
	enum status status = gzip_queue_lend(target->queue, length, &content, error);
	if (status == STATUS_OK) {
		memcpy(content, bytes, length);
		gzip_queue_append(target->queue, length, place);
	}
	return status;
}

/* Content of `count` blocks of all sizes and kinds; the caller frees it. *ret_lengths is of each of them. */
static char *mixed_content(size_t count, size_t **ret_lengths, size_t *ret_length)
{
	size_t *lengths = calloc(count, sizeof *lengths);
	size_t total = 0;
	assert_non_null(lengths);
	for (size_t i = 0; i < count; i++) {
		lengths[i] = i % 5 == 0 ? BLOCK : i % 3 == 0 ? 100000 + i : 1 + i * 37 % 5000;
		total += lengths[i];
	}
	char *content = malloc(total);
	assert_non_null(content);
	char *at = content;
	for (size_t i = 0; i < count; i++) {
		if (i % 2 == 0) {
			fill_random(at, lengths[i], i);
		} else {
			memset(at, (int)i, lengths[i]);
		}
		at += lengths[i];
	}
	*ret_lengths = lengths;
	*ret_length = total;
	return content;
}

static void assert_inflates_to(const void *bytes, size_t length, const char *content, size_t content_length)
{
	struct error error;
	struct source *source = NULL;
	struct buffer output = BUFFER_INIT(OUTPUT_LIMIT);
	assert_ok(gzip_source_new(drip(bytes, length, STREAM_BLOCK_SIZE), &source, &error), &error);
	assert_ok(drain(source, STREAM_BLOCK_SIZE, &output, &error), &error);
	assert_int_equal(output.length, content_length);
	assert_memory_equal(output.data, content, content_length);
	buffer_free(&output);
}

static size_t threads_now(void)
{
	size_t count = 0;
	DIR *folder = opendir("/proc/self/task");
	assert_non_null(folder);
	for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
		count += entry->d_name[0] != '.';
	}
	closedir(folder);
	return count;
}

/* A thread that was joined may still be shown for a moment. */
static void assert_threads(size_t expected)
{
	for (unsigned tries = 0; threads_now() != expected && tries < 1000; tries++) {
		usleep(1000);
	}
	assert_int_equal(threads_now(), expected);
}

/* --- order and places -----------------------------------------------------------------------------------------------
 */

static void assert_in_order(unsigned threads, size_t count)
{
	struct error error;
	struct target target;
	size_t *lengths = NULL;
	size_t total = 0;
	char *content = mixed_content(count, &lengths, &total);
	struct gzip_place *places = calloc(count, sizeof *places);
	assert_non_null(places);
	open_target(&target, threads);
	const char *at = content;
	for (size_t i = 0; i < count; i++) {
		assert_ok(append(&target, at, lengths[i], &places[i], &error), &error);
		at += lengths[i];
	}
	assert_ok(gzip_queue_drain(target.queue, &error), &error);
	assert_int_equal(target.noted.length, target.written.length);
	assert_memory_equal(target.noted.data, target.written.data, target.written.length);
	assert_inflates_to(target.written.data, target.written.length, content, total);
	uint64_t end = 0;
	at = content;
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(places[i].offset, end);
		assert_inflates_to(target.written.data + end, places[i].length, at, lengths[i]);
		end += places[i].length;
		at += lengths[i];
	}
	assert_int_equal(end, target.written.length);
	close_target(&target);
	free(places);
	free(lengths);
	free(content);
}

static void one_thread_keeps_the_order(void **state)
{
	(void)state;
	assert_in_order(1, 60);
}

static void many_threads_keep_the_order(void **state)
{
	(void)state;
	assert_in_order(GZIP_QUEUE_THREADS, 120);
}

static void a_thread_for_each_core_keeps_the_order(void **state)
{
	(void)state;
	assert_in_order(0, 60);
}

static void thousands_of_little_members_keep_the_order(void **state)
{
	(void)state;
	struct error error;
	struct target target;
	struct buffer content = BUFFER_INIT(OUTPUT_LIMIT);
	open_target(&target, 4);
	for (size_t i = 0; i < 20000; i++) {
		char line[64];
		int length = snprintf(line, sizeof line, "line %zu of many\n", i);
		assert_ok(append(&target, line, (size_t)length, NULL, &error), &error);
		assert_ok(buffer_append(&content, line, (size_t)length, &error), &error);
	}
	assert_ok(gzip_queue_drain(target.queue, &error), &error);
	assert_inflates_to(target.written.data, target.written.length, content.data, content.length);
	buffer_free(&content);
	close_target(&target);
}

static void what_is_lent_and_not_appended_does_not_show(void **state)
{
	(void)state;
	struct error error;
	struct target target;
	char *lent = NULL;
	open_target(&target, 2);
	assert_ok(append(&target, "one", 3, NULL, &error), &error);
	assert_ok(gzip_queue_lend(target.queue, BLOCK, &lent, &error), &error);
	memset(lent, 'x', BLOCK);
	assert_ok(append(&target, "two", 3, NULL, &error), &error);
	assert_ok(gzip_queue_drain(target.queue, &error), &error);
	assert_inflates_to(target.written.data, target.written.length, "onetwo", 6);
	close_target(&target);
}

static void a_member_is_repeated(void **state)
{
	(void)state;
	struct error error;
	struct target target;
	struct gzip_place first = {0};
	struct gzip_place again[40];
	char *block = malloc(BLOCK);
	assert_non_null(block);
	fill_random(block, BLOCK, 1);
	open_target(&target, 3);
	assert_ok(append(&target, block, BLOCK, &first, &error), &error);
	assert_ok(gzip_queue_drain(target.queue, &error), &error);
	for (size_t i = 0; i < 40; i++) {
		assert_ok(append(&target, "between", 7, NULL, &error), &error);
		assert_ok(gzip_queue_repeat(target.queue, first, &again[i], &error), &error);
	}
	assert_ok(gzip_queue_drain(target.queue, &error), &error);
	for (size_t i = 0; i < 40; i++) {
		assert_int_equal(again[i].length, first.length);
		assert_memory_equal(target.written.data + again[i].offset, target.written.data, first.length);
	}
	close_target(&target);
	free(block);
}

static void an_entry_is_all_between_its_beginning_and_its_end(void **state)
{
	(void)state;
	struct error error;
	struct target target;
	struct gzip_place entries[30];
	struct gzip_place first[30];
	struct gzip_place last[30];
	char *block = calloc(1, BLOCK);
	assert_non_null(block);
	open_target(&target, 4);
	for (size_t i = 0; i < 30; i++) {
		gzip_queue_begin(target.queue); /* given up */
		assert_ok(append(&target, "lost", 4, NULL, &error), &error);
		gzip_queue_begin(target.queue);
		assert_ok(append(&target, "header", 6, &first[i], &error), &error);
		for (size_t j = 0; j < i % 4; j++) {
			assert_ok(append(&target, block, BLOCK, NULL, &error), &error);
		}
		if (i == 17) {
			assert_ok(gzip_queue_drain(target.queue, &error), &error); /* in the middle of it */
		}
		assert_ok(append(&target, "end", 3, &last[i], &error), &error);
		gzip_queue_end(target.queue, &entries[i]);
	}
	assert_ok(gzip_queue_drain(target.queue, &error), &error);
	for (size_t i = 0; i < 30; i++) {
		assert_int_equal(entries[i].offset, first[i].offset);
		assert_int_equal(entries[i].offset + entries[i].length, last[i].offset + last[i].length);
	}
	close_target(&target);
	free(block);
}

static void an_end_after_a_drain_is_known_at_once(void **state)
{
	(void)state;
	struct error error;
	struct target target;
	struct gzip_place entry = {0};
	open_target(&target, 2);
	assert_ok(append(&target, "before", 6, NULL, &error), &error);
	gzip_queue_begin(target.queue);
	assert_ok(append(&target, "entry", 5, NULL, &error), &error);
	assert_ok(gzip_queue_drain(target.queue, &error), &error);
	gzip_queue_end(target.queue, &entry);
	assert_true(entry.offset > 0);
	assert_int_equal(entry.offset + entry.length, target.written.length);
	close_target(&target);
}

/* --- threads and memory ---------------------------------------------------------------------------------------------
 */

static void threads_are_gone_after_a_drain(void **state)
{
	(void)state;
	struct error error;
	struct target target;
	char *block = calloc(1, BLOCK);
	assert_non_null(block);
	size_t before = threads_now();
	open_target(&target, 4);
	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < 10; i++) {
			assert_ok(append(&target, block, BLOCK, NULL, &error), &error);
		}
		assert_true(threads_now() > before);
		assert_ok(gzip_queue_drain(target.queue, &error), &error);
		assert_threads(before);
		assert_int_equal(target.content, (round + 1) * 10 * BLOCK);
	}
	close_target(&target);
	free(block);
}

static void little_content_needs_no_thread(void **state)
{
	(void)state;
	struct error error;
	struct target target;
	size_t before = threads_now();
	open_target(&target, 4);
	for (size_t i = 0; i < 100; i++) {
		assert_ok(append(&target, "little", 6, NULL, &error), &error);
	}
	assert_int_equal(threads_now(), before);
	assert_int_equal(target.writes, 0);
	assert_ok(gzip_queue_drain(target.queue, &error), &error);
	assert_int_equal(target.writes, 1);
	close_target(&target);
}

static void a_drain_of_nothing_is_fine(void **state)
{
	(void)state;
	struct error error;
	struct target target;
	char *lent = NULL;
	open_target(&target, 2);
	assert_ok(gzip_queue_drain(target.queue, &error), &error);
	assert_ok(gzip_queue_lend(target.queue, 100, &lent, &error), &error);
	assert_ok(gzip_queue_drain(target.queue, &error), &error);
	assert_ok(gzip_queue_drain(target.queue, &error), &error);
	assert_int_equal(target.writes, 0);
	close_target(&target);
}

static void a_slow_disk_makes_the_reader_wait(void **state)
{
	(void)state;
	struct error error;
	struct target target;
	char *block = malloc(BLOCK);
	assert_non_null(block);
	fill_random(block, BLOCK, 1);
	open_target(&target, 3);
	target.delay = 5000;
	uint64_t most = 0;
	for (uint64_t appended = BLOCK; appended <= 60 * (uint64_t)BLOCK; appended += BLOCK) {
		assert_ok(append(&target, block, BLOCK, NULL, &error), &error);
		uint64_t under_way = appended - written_content(&target);
		most = under_way > most ? under_way : most;
	}
	assert_ok(gzip_queue_drain(target.queue, &error), &error);
	assert_true(most <= SLOTS * (uint64_t)SLOT);
	close_target(&target);
	free(block);
}

static void what_was_not_drained_is_dropped(void **state)
{
	(void)state;
	struct error error;
	struct target target;
	struct gzip_place places[20];
	char *block = calloc(1, BLOCK);
	assert_non_null(block);
	size_t before = threads_now();
	open_target(&target, 4);
	target.delay = 20000;
	for (size_t i = 0; i < 8; i++) {
		assert_ok(append(&target, block, BLOCK, &places[i], &error), &error);
	}
	close_target(&target);
	assert_threads(before);
	free(block);
}

/* --- failures -------------------------------------------------------------------------------------------------------
 */

static enum status append_until_failure(struct target *target, size_t most, struct error *error)
{
	enum status status = STATUS_OK;
	char *block = calloc(1, BLOCK);
	assert_non_null(block);
	for (size_t i = 0; status == STATUS_OK && i < most; i++) {
		status = append(target, block, BLOCK, NULL, error);
	}
	free(block);
	return status;
}

static void assert_stays_failed(struct target *target, enum status expected, const char *message)
{
	struct error error;
	char *lent = NULL;
	assert_status(expected, gzip_queue_drain(target->queue, &error), &error);
	assert_string_equal(error.message, message);
	assert_status(expected, gzip_queue_lend(target->queue, 10, &lent, &error), &error);
	assert_status(expected, gzip_queue_repeat(target->queue, (struct gzip_place){0, 30}, NULL, &error), &error);
	assert_status(expected, gzip_queue_drain(target->queue, &error), &error);
	assert_string_equal(error.message, message);
}

static void a_failure_to_write_shows_at_a_later_call(void **state)
{
	(void)state;
	struct error error;
	struct target target;
	size_t before = threads_now();
	open_target(&target, 3);
	target.fail_write = 3;
	assert_status(STATUS_NO_SPACE, append_until_failure(&target, 100, &error), &error);
	assert_stays_failed(&target, STATUS_NO_SPACE, "the disk is full");
	assert_int_equal(target.writes, 3);
	assert_threads(before);
	close_target(&target);
}

static void a_failure_to_write_shows_at_the_drain(void **state)
{
	(void)state;
	struct error error;
	struct target target;
	for (unsigned blocks = 1; blocks <= 5; blocks++) {
		open_target(&target, 3);
		target.fail_write = blocks;
		target.delay = 10000;
		assert_ok(append_until_failure(&target, blocks, &error), &error);
		assert_stays_failed(&target, STATUS_NO_SPACE, "the disk is full");
		close_target(&target);
	}
}

static void a_failure_to_note_shows(void **state)
{
	(void)state;
	struct error error;
	struct target target;
	open_target(&target, 3);
	target.fail_note = 4;
	assert_status(STATUS_FAILED, append_until_failure(&target, 100, &error), &error);
	assert_stays_failed(&target, STATUS_FAILED, "cannot note it");
	close_target(&target);
}

/* What is repeated is read by the threads that compress. */
static void a_failure_of_a_worker_shows(void **state)
{
	(void)state;
	struct error error;
	struct target target;
	struct gzip_place place = {0};
	open_target(&target, 3);
	assert_ok(append(&target, "once", 4, &place, &error), &error);
	assert_ok(gzip_queue_drain(target.queue, &error), &error);
	target.fail_read = true;
	assert_ok(gzip_queue_repeat(target.queue, place, NULL, &error), &error);
	assert_status(STATUS_FAILED, append_until_failure(&target, 100, &error), &error);
	assert_stays_failed(&target, STATUS_FAILED, "cannot read it");
	close_target(&target);
}

static void what_is_too_large_for_a_member_is_refused(void **state)
{
	(void)state;
	struct error error;
	struct target target;
	char *lent = NULL;
	open_target(&target, 2);
	assert_status(STATUS_FAILED, gzip_queue_lend(target.queue, 8 << 20, &lent, &error), &error);
	assert_ok(append(&target, "fits", 4, NULL, &error), &error);
	assert_ok(gzip_queue_drain(target.queue, &error), &error);
	close_target(&target);
}

/* The limit of a window is to interrupt_check what Ctrl-C is, but can be taken back. */
static void begin_interrupt(void)
{
	struct error failure;
	(void)error_set(&failure, STATUS_INTERRUPTED, "interrupted");
	interrupt_limit(0, &failure);
	usleep(2000);
}

static void an_interrupt_ends_the_waiting_for_room(void **state)
{
	(void)state;
	struct error error;
	struct target target;
	size_t before = threads_now();
	open_target(&target, 2);
	target.delay = 100000;
	begin_interrupt();
	assert_status(STATUS_INTERRUPTED, append_until_failure(&target, 100, &error), &error);
	assert_true(target.writes <= 2);
	assert_status(STATUS_INTERRUPTED, gzip_queue_drain(target.queue, &error), &error);
	interrupt_unlimit();
	assert_threads(before);
	assert_stays_failed(&target, STATUS_INTERRUPTED, "interrupted");
	close_target(&target);
}

static void an_interrupt_drops_what_is_to_be_drained(void **state)
{
	(void)state;
	struct error error;
	struct target target;
	open_target(&target, 2);
	target.delay = 100000;
	assert_ok(append_until_failure(&target, 5, &error), &error);
	begin_interrupt();
	assert_status(STATUS_INTERRUPTED, gzip_queue_drain(target.queue, &error), &error);
	interrupt_unlimit();
	assert_true(target.writes < 5);
	assert_stays_failed(&target, STATUS_INTERRUPTED, "interrupted");
	close_target(&target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_thread_keeps_the_order),
		cmocka_unit_test(many_threads_keep_the_order),
		cmocka_unit_test(a_thread_for_each_core_keeps_the_order),
		cmocka_unit_test(thousands_of_little_members_keep_the_order),
		cmocka_unit_test(what_is_lent_and_not_appended_does_not_show),
		cmocka_unit_test(a_member_is_repeated),
		cmocka_unit_test(an_entry_is_all_between_its_beginning_and_its_end),
		cmocka_unit_test(an_end_after_a_drain_is_known_at_once),
		cmocka_unit_test(threads_are_gone_after_a_drain),
		cmocka_unit_test(little_content_needs_no_thread),
		cmocka_unit_test(a_drain_of_nothing_is_fine),
		cmocka_unit_test(a_slow_disk_makes_the_reader_wait),
		cmocka_unit_test(what_was_not_drained_is_dropped),
		cmocka_unit_test(a_failure_to_write_shows_at_a_later_call),
		cmocka_unit_test(a_failure_to_write_shows_at_the_drain),
		cmocka_unit_test(a_failure_to_note_shows),
		cmocka_unit_test(a_failure_of_a_worker_shows),
		cmocka_unit_test(what_is_too_large_for_a_member_is_refused),
		cmocka_unit_test(an_interrupt_ends_the_waiting_for_room),
		cmocka_unit_test(an_interrupt_drops_what_is_to_be_drained),
	};
	return cmocka_run_group_tests_name("gzip_queue", tests, NULL, NULL);
}
