#include "stores/postgresql/dump_rename.h"

#include <string.h>

enum { OUTPUT_LIMIT = 8 * STREAM_BLOCK_SIZE }; /* bytes that one block of the file can become */

struct renaming {
	struct dump_listener listener;
	const char *name;
	const char *new_name;
	bool properties_only;
	bool skip; /* the statement at hand is left out */
	struct buffer *output;
};

/* A load is one transaction, which the COMMIT that pg_dump writes behind large objects would end (PostgreSQL 17,
 * pg_backup_null.c, _StartLOs and _EndLOs; _StartBlobs and _EndBlobs before). */
static bool left_out(const char *text, size_t length)
{
	size_t end = 0;
	return sql_statement_begins(text, length, "DROP DATABASE", &end) ||
		   sql_statement_begins(text, length, "UPDATE pg_catalog", &end) ||
		   sql_statement_matches(text, length, "BEGIN ;", "") || sql_statement_matches(text, length, "COMMIT ;", "");
}

/* The first part of a statement holds the database's name, if there is one in it. */
static enum status rename_head(struct renaming *renaming, const char *text, size_t length, struct error *error)
{
	char name[SQL_NAME_SIZE];
	struct sql_token token = sql_statement_database(text, length < DUMP_HEAD_SIZE ? length : DUMP_HEAD_SIZE);
	bool ours = token.kind != SQL_END && sql_statement_name(text, token, name) && strcmp(name, renaming->name) == 0;
	renaming->skip = left_out(text, length) || (renaming->properties_only && !ours);
	if (renaming->skip) {
		return STATUS_OK;
	}
	if (!ours) {
		return buffer_append(renaming->output, text, length, error);
	}
	enum status status = buffer_append(renaming->output, text, token.start, error);
	if (status == STATUS_OK) {
		status = sql_statement_quote_name(renaming->output, renaming->new_name, error);
	}
	size_t end = token.start + token.length;
	return status == STATUS_OK ? buffer_append(renaming->output, text + end, length - end, error) : status;
}

static enum status take_part(struct dump_listener *listener, const struct dump_part *part, struct error *error)
{
	struct renaming *renaming = (struct renaming *)listener;
	switch (part->piece) {
	case DUMP_STATEMENT:
		if (part->first) {
			return rename_head(renaming, part->bytes, part->length, error);
		}
		if (renaming->skip) {
			return STATUS_OK;
		}
		break;
	case DUMP_COMMENT:
	case DUMP_COMMAND:
		return STATUS_OK;
	case DUMP_SPACE:
	case DUMP_COPY_DATA:
		break;
	}
	return buffer_append(renaming->output, part->bytes, part->length, error);
}

struct rename_source {
	struct source source;
	struct renaming renaming;
	struct dump_reader *reader;
	struct buffer output;
	size_t taken; /* of the output */
	const char *suffix;
	bool ended;
};

static enum status rename_source_read(struct source *source, void *bytes, size_t capacity, size_t *ret_length,
									  struct error *error)
{
	struct rename_source *self = (struct rename_source *)source;
	enum status status = STATUS_OK;
	while (status == STATUS_OK && self->taken == self->output.length && !self->ended) {
		buffer_clear(&self->output);
		self->taken = 0;
		status = dump_reader_step(self->reader, &self->ended, error);
		if (status == STATUS_OK && self->ended) {
			status = buffer_append_text(&self->output, self->suffix, error);
		}
	}
	size_t left = self->output.length - self->taken;
	*ret_length = left < capacity ? left : capacity;
	if (status == STATUS_OK && left > 0) {
		memcpy(bytes, self->output.data + self->taken, *ret_length);
		self->taken += *ret_length;
	}
	return status;
}

static void rename_source_free(struct source *source)
{
	struct rename_source *self = (struct rename_source *)source;
	dump_reader_free(self->reader);
	buffer_free(&self->output);
	free(self);
}

enum status dump_rename_source_new(const char *path, struct dump_stretch stretch, const char *name,
								   const char *new_name, const char *prefix, const char *suffix,
								   struct progress *progress, struct source **ret_source, struct error *error)
{
	static const struct source_ops ops = {.read = rename_source_read, .free = rename_source_free};
	struct rename_source *self = calloc(1, sizeof *self);
	if (self == NULL) {
		return error_memory(error);
	}
	self->source.ops = &ops;
	self->output = (struct buffer)BUFFER_INIT(OUTPUT_LIMIT);
	self->suffix = suffix;
	self->renaming =
		(struct renaming){.listener = {.part = take_part}, .name = name, .new_name = new_name, .output = &self->output};
	enum status status = dump_reader_new(path, stretch, &self->renaming.listener, progress, &self->reader, error);
	if (status == STATUS_OK) {
		status = buffer_append_text(&self->output, prefix, error);
	}
	if (status == STATUS_OK && stretch.escapes) { /* what was read here is what psql has to read */
		status = buffer_append_text(&self->output, "SET standard_conforming_strings = off;\n", error);
	}
	if (status != STATUS_OK) {
		rename_source_free(&self->source);
		return status;
	}
	*ret_source = &self->source;
	return STATUS_OK;
}

enum status dump_rename_properties(const char *text, size_t length, const char *name, const char *new_name,
								   struct buffer *sql, struct error *error)
{
	struct renaming renaming = {
		.listener = {.part = take_part}, .name = name, .new_name = new_name, .properties_only = true, .output = sql};
	return dump_lexer_text(text, length, &renaming.listener, error);
}
