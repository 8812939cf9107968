/* stores/postgresql/dump_*: the parts of a dump are the same however it is read, and renaming a database and renaming
 * it back changes none of its statements and rows. */
#include "fuzz.h"

#include "stores/postgresql/dump_layout.h"
#include "stores/postgresql/dump_lexer.h"
#include "stores/postgresql/dump_rename.h"

#include <sys/stat.h>

enum { TEXT_LIMIT = 4 << 20, MOST_RENAMED = 3 };

/* --- the lexer ---------------------------------------------------------------------------------------------------- */

struct recorder {
	struct dump_listener listener;
	uint64_t next;      /* where the next part has to begin */
	bool in_piece;      /* the last part was not the last of its piece */
	struct buffer ends; /* of the pieces, as text */
};

static enum status record(struct dump_listener *listener, const struct dump_part *part, struct error *error)
{
	struct recorder *recorder = (struct recorder *)listener;
	HOLDS(part->offset == recorder->next && part->first == !recorder->in_piece);
	HOLDS(!part->first || part->last || part->length >= DUMP_HEAD_SIZE);
	recorder->next += part->length;
	recorder->in_piece = !part->last;
	return part->last
			   ? buffer_printf(&recorder->ends, error, "%d:%llu ", (int)part->piece, (unsigned long long)recorder->next)
			   : STATUS_OK;
}

static enum status lex(const uint8_t *data, size_t size, size_t step, struct buffer *ret_ends)
{
	CLEANUP(cleanup_dump_lexer) struct dump_lexer *lexer = NULL;
	struct recorder recorder = {.listener = {.part = record}, .ends = BUFFER_INIT(TEXT_LIMIT)};
	struct error error = {.message = ""};
	HOLDS(dump_lexer_new(&recorder.listener, 0, false, &lexer, &error) == STATUS_OK);
	enum status status = STATUS_OK;
	for (size_t at = 0; status == STATUS_OK && at < size; at += step) {
		status = dump_lexer_put_bytes(lexer, data + at, size - at < step ? size - at : step, &error);
	}
	status = status == STATUS_OK ? dump_lexer_finish(lexer, &error) : status;
	HOLDS(status == STATUS_OK || (status == STATUS_DAMAGED && error.message[0] != '\0'));
	HOLDS(status != STATUS_OK || (recorder.next == size && !recorder.in_piece));
	*ret_ends = recorder.ends;
	return status;
}

static void check_lexer(const uint8_t *data, size_t size)
{
	CLEANUP(buffer_free) struct buffer whole = BUFFER_INIT(TEXT_LIMIT);
	CLEANUP(buffer_free) struct buffer pieces = BUFFER_INIT(TEXT_LIMIT);
	enum status status = lex(data, size, size + 1, &whole);
	HOLDS(lex(data, size, size > 0 ? data[size - 1] % 64 + 1 : 1, &pieces) == status);
	HOLDS(status != STATUS_OK || fuzz_same(&whole, &pieces));
}

/* --- a whole dump ------------------------------------------------------------------------------------------------- */

static void check_layout(const struct dump_layout *layout, size_t size)
{
	uint64_t at = layout->globals_end;
	HOLDS(layout->size == size && layout->globals_end <= size);
	HOLDS(strnlen(layout->version, sizeof layout->version) < sizeof layout->version);
	for (size_t i = 0; i < layout->count; i++) {
		const struct dump_database *database = &layout->databases[i];
		HOLDS(database->name[0] != '\0' && at <= database->start && database->start <= database->content);
		HOLDS(database->content <= database->end && database->end <= size);
		at = database->end;
	}
}

/* Writes a section of the file `from` with another name in it to the file `to`. */
static enum status rename_section(const char *from, struct dump_stretch stretch, const char *name, const char *new_name,
								  const char *to, struct buffer *text)
{
	struct source *source = NULL;
	struct error error = {.message = ""};
	buffer_clear(text);
	enum status status = dump_rename_source_new(from, stretch, name, new_name, "", "", NULL, &source, &error);
	if (status == STATUS_OK) {
		status = fuzz_drain(source, text, &error);
	}
	fuzz_write(to, buffer_text(text), text->length);
	return status;
}

static uint64_t size_of(const char *path)
{
	struct stat attributes;
	HOLDS(stat(path, &attributes) == 0);
	return (uint64_t)attributes.st_size;
}

static struct dump_stretch all_of(const char *path)
{
	return (struct dump_stretch){.to = size_of(path)};
}

/* There and back again is what it is without. */
static void check_rename(const char *path, struct dump_stretch stretch, const char *name)
{
	static const char new_name[] = "whisperbackup \"new\"";
	CLEANUP(buffer_free) struct buffer before = BUFFER_INIT(TEXT_LIMIT);
	CLEANUP(buffer_free) struct buffer after = BUFFER_INIT(TEXT_LIMIT);
	CLEANUP(cleanup_free) char *plain = fuzz_path("plain");
	CLEANUP(cleanup_free) char *there = fuzz_path("there");
	CLEANUP(cleanup_free) char *back = fuzz_path("back");
	if (rename_section(path, stretch, name, name, plain, &before) == STATUS_OK) {
		HOLDS(rename_section(plain, all_of(plain), name, new_name, there, &after) == STATUS_OK);
		HOLDS(rename_section(there, all_of(there), new_name, name, back, &after) == STATUS_OK);
		HOLDS(rename_section(plain, all_of(plain), name, name, back, &before) == STATUS_OK);
		HOLDS(before.length == after.length && memcmp(buffer_text(&before), buffer_text(&after), before.length) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dump_layout layout = {0};
	struct error error = {.message = ""};
	check_lexer(data, size);
	enum status status = dump_layout_read(fuzz_source(data, size, STREAM_BLOCK_SIZE), NULL, &layout, &error);
	HOLDS(status == STATUS_OK || (status == STATUS_DAMAGED && error.message[0] != '\0'));
	if (status != STATUS_OK) {
		return 0;
	}
	CLEANUP(cleanup_free) char *path = fuzz_path("dump");
	fuzz_write(path, data, size);
	check_layout(&layout, size);
	for (size_t i = 0; i < layout.count && i < MOST_RENAMED; i++) {
		const struct dump_database *database = &layout.databases[i];
		check_rename(path, dump_layout_making(database), database->name);
		check_rename(path, dump_layout_content(database), database->name);
	}
	dump_layout_free(&layout);
	return 0;
}
