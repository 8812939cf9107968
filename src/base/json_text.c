#include "base/json_text.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	RESERVE_SIZE = 1 << 20, /* bytes; touched only when it is needed */
	LEAST_SPARE = 64,       /* bytes */
};

/* jansson has been refused some: what this thread makes of JSON may lack something. */
static _Thread_local bool out_of_memory;

/*
 * Where memory comes from when there is no other. jansson does not stand being refused any: it leaves something out and
 * says that all is well. Nothing of this is ever given back.
 */
static alignas(max_align_t) char reserve[RESERVE_SIZE];
static atomic_size_t reserve_used;

static void *reserved(size_t size)
{
	const size_t rounding = alignof(max_align_t) - 1;
	if (size > RESERVE_SIZE) {
		return NULL;
	}
	size = (size + rounding) & ~rounding;
	size_t at = atomic_load(&reserve_used);
	do {
		if (at > RESERVE_SIZE - size) {
			return NULL;
		}
	} while (!atomic_compare_exchange_weak(&reserve_used, &at, at + size));
	return reserve + at;
}

/*
 * What is handed out while a text is read, once, when there is none of that either. A refusal of the buffer in which
 * jansson gathers a string is noticed nowhere: it reads and writes beyond the buffer then (load.c, lex_save_cached and
 * lex_scan_string). Nothing more of the text is read after this.
 */
static _Thread_local struct {
	void *memory;
	size_t size;
} spare;

static void *take_spare(size_t size)
{
	void *memory = size <= spare.size ? spare.memory : NULL;
	spare.memory = memory != NULL ? NULL : spare.memory;
	return memory;
}

static void *noting_malloc(size_t size)
{
	void *memory = malloc(size);
	if (memory == NULL) {
		memory = reserved(size);
	}
	if (memory == NULL) {
		out_of_memory = true;
		memory = take_spare(size);
	}
	return memory;
}

static bool is_reserved(const void *memory)
{
	uintptr_t at = (uintptr_t)memory;
	return at >= (uintptr_t)reserve && at < (uintptr_t)reserve + sizeof reserve;
}

static void noting_free(void *memory)
{
	if (!is_reserved(memory)) {
		free(memory);
	}
}

/* Before anything is made of JSON. */
__attribute__((constructor)) static void set_functions(void)
{
	json_set_alloc_funcs(noting_malloc, noting_free);
}

enum status json_text_read(const char *text, size_t flags, json_t **ret_json, struct error *error)
{
	return json_text_read_bytes(text, strlen(text), flags, ret_json, error);
}

struct feed {
	const char *bytes;
	size_t left;
};

/* One byte at a time, so that there is an end right behind what memory was refused for. */
static size_t give_one(void *buffer, size_t capacity, void *context)
{
	struct feed *feed = context;
	if (capacity == 0 || feed->left == 0 || out_of_memory) {
		return 0;
	}
	*(char *)buffer = *feed->bytes++;
	feed->left--;
	return 1;
}

enum status json_text_read_bytes(const char *bytes, size_t length, size_t flags, json_t **ret_json, struct error *error)
{
	json_error_t failure;
	struct feed feed = {.bytes = bytes, .left = length};
	bool before = out_of_memory;
	spare.size = 2 * length + LEAST_SPARE; /* as much as that buffer can grow to (strbuffer.c) */
	spare.memory = noting_malloc(spare.size);
	out_of_memory = spare.memory == NULL;
	json_t *json = out_of_memory ? NULL : json_load_callback(give_one, &feed, flags, &failure);
	bool trusted = !out_of_memory;
	out_of_memory = before; /* nothing that lacks something is left of this */
	noting_free(spare.memory);
	spare.memory = NULL;
	if (!trusted) {
		json_decref(json);
		return error_memory(error);
	}
	if (json == NULL) {
		return error_set(error, STATUS_FAILED, "%s", failure.text);
	}
	*ret_json = json;
	return STATUS_OK;
}

char *json_text_write(const json_t *json, size_t flags)
{
	char *text = json != NULL ? json_dumps(json, flags) : NULL;
	if (is_reserved(text)) {
		text = strdup(text); /* the caller gives it back */
	}
	if (out_of_memory) {
		noting_free(text);
		return NULL;
	}
	return text;
}
