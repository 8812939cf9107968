#include "stores/postgresql/dump_layout.h"

#include "stores/postgresql/dump_reader.h"

#include <stdlib.h>
#include <string.h>

enum {
	DATABASES_LIMIT = 10000,
	NAMES_CAPACITY = 8,  /* databases there is room for at first */
	COMMAND_SIZE = 1024, /* bytes of a backslash command */
};

/* Where in the file the text at hand stands. */
enum place {
	OPENING,  /* before the first comment with words in it */
	GLOBALS,  /* roles, tablespaces */
	OUTSIDE,  /* between two databases */
	DATABASE, /* in a database's section */
	CLOSED,   /* behind the closing block */
};

struct reading {
	struct dump_listener listener;
	struct dump_layout layout;
	size_t capacity;
	enum place place;
	bool header;     /* DATABASE: pg_dump's own header has been seen */
	bool restricted; /* between \restrict and \unrestrict of the same key */
	char key[COMMAND_SIZE];
};

/* The comment that pg_dumpall or pg_dump puts there (pg_dumpall.c main, pg_backup_archiver.c RestoreArchive). */
static bool says(const struct dump_part *part, const char *text)
{
	size_t length = strlen(text);
	return part->first && part->length >= length && memcmp(part->bytes, text, length) == 0;
}

static bool is_whole(const struct dump_part *part, const char *text)
{
	return part->last && part->length == strlen(text) && says(part, text);
}

static enum status misplaced(const struct dump_part *part, const char *what, struct error *error)
{
	return error_set(error, STATUS_DAMAGED, "%s at byte %llu, where a dump has none", what,
					 (unsigned long long)part->offset);
}

static struct dump_database *current(struct reading *reading)
{
	return &reading->layout.databases[reading->layout.count - 1];
}

static enum status begin_database(struct reading *reading, const struct dump_part *part, struct error *error)
{
	struct dump_layout *layout = &reading->layout;
	if (layout->count == DATABASES_LIMIT) {
		return error_set(error, STATUS_DAMAGED, "it holds more than %d databases", DATABASES_LIMIT);
	}
	if (layout->count == reading->capacity) {
		size_t capacity = reading->capacity == 0 ? NAMES_CAPACITY : reading->capacity * 2;
		struct dump_database *databases = realloc(layout->databases, capacity * sizeof *databases);
		if (databases == NULL) {
			return error_memory(error);
		}
		layout->databases = databases;
		reading->capacity = capacity;
	}
	if (reading->place == GLOBALS) {
		layout->globals_end = part->offset;
	}
	layout->databases[layout->count++] =
		(struct dump_database){.start = part->offset, .content = part->offset, .end = part->offset};
	reading->place = DATABASE;
	reading->header = false;
	return STATUS_OK;
}

static enum status end_database(struct reading *reading, const struct dump_part *part, struct error *error)
{
	struct dump_database *database = current(reading);
	if (database->name[0] == '\0' || (database->created && database->content == database->start)) {
		return misplaced(part, "the end of a database that was never made", error);
	}
	for (size_t i = 0; i + 1 < reading->layout.count; i++) {
		if (strcmp(reading->layout.databases[i].name, database->name) == 0) {
			return error_set(error, STATUS_DAMAGED, "it holds the database %s twice", database->name);
		}
	}
	database->end = part->offset;
	reading->place = OUTSIDE;
	return STATUS_OK;
}

static enum status take_comment(struct reading *reading, const struct dump_part *part, struct error *error)
{
	static const char version[] = "-- Dumped from database version ";
	static const char cluster[] = "-- PostgreSQL database cluster dump";
	struct dump_layout *layout = &reading->layout;
	if (reading->place == OPENING && !is_whole(part, "--")) {
		if (is_whole(part, "-- PostgreSQL database dump")) {
			(void)error_set(error, STATUS_DAMAGED, "it is the dump of a single database");
			return error_hint(error,
							  "a restore needs all databases and roles: dump with pg_dumpall instead of pg_dump");
		}
		if (!is_whole(part, cluster)) {
			return error_set(error, STATUS_DAMAGED, "it is not a dump that pg_dumpall wrote");
		}
		reading->place = GLOBALS;
	} else if (is_whole(part, "-- PostgreSQL database cluster dump complete")) {
		if (reading->place == DATABASE || reading->place == CLOSED) {
			return misplaced(part, "the closing line of the whole dump", error);
		}
		layout->globals_end = reading->place == GLOBALS ? part->offset : layout->globals_end;
		reading->place = CLOSED;
	} else if (is_whole(part, "-- PostgreSQL database dump")) {
		if (reading->place != DATABASE) {
			enum status status = begin_database(reading, part, error);
			if (status != STATUS_OK) {
				return status;
			}
		} else if (reading->header) {
			return misplaced(part, "the beginning of another database", error);
		}
		reading->header = true;
	} else if (is_whole(part, "-- PostgreSQL database dump complete")) {
		return reading->place == DATABASE ? end_database(reading, part, error)
										  : misplaced(part, "the end of a database", error);
	} else if (says(part, version) && layout->version[0] == '\0') {
		size_t length = strcspn(part->bytes + sizeof version - 1, " \n");
		if (length < sizeof layout->version && sizeof version - 1 + length <= part->length) {
			memcpy(layout->version, part->bytes + sizeof version - 1, length);
		}
	}
	return STATUS_OK;
}

/* A name as it stands behind \connect; those with odd characters in them have a CREATE DATABASE to be known by. */
static bool connect_name(const struct dump_part *part, char ret_name[SQL_NAME_SIZE])
{
	struct sql_token token = sql_statement_token(part->bytes, part->length, strlen("\\connect"));
	return sql_statement_name(part->bytes, token, ret_name);
}

static enum status take_connect(struct reading *reading, const struct dump_part *part, struct error *error)
{
	enum status status = STATUS_OK;
	if (reading->restricted || reading->place == CLOSED || reading->place == OPENING) {
		return misplaced(part, "a \\connect", error);
	}
	if (reading->place != DATABASE) {
		status = begin_database(reading, part, error);
		if (status == STATUS_OK && !connect_name(part, current(reading)->name)) {
			return misplaced(part, "a \\connect to an unknown database", error);
		}
	}
	if (status == STATUS_OK && current(reading)->name[0] == '\0') {
		return misplaced(part, "a \\connect to a database that was not made", error);
	}
	if (status == STATUS_OK) {
		current(reading)->content = part->offset + part->length;
	}
	return status;
}

/* Only what pg_dump writes: psql would obey anything else too, a `\!` for one. */
static enum status take_command(struct reading *reading, const struct dump_part *part, struct error *error)
{
	char line[COMMAND_SIZE];
	if (!part->last || part->length >= sizeof line) {
		return misplaced(part, "a backslash command without end", error);
	}
	memcpy(line, part->bytes, part->length);
	line[part->length] = '\0';
	if (strncmp(line, "\\connect ", 9) == 0) {
		return take_connect(reading, part, error);
	}
	if (strncmp(line, "\\restrict ", 10) == 0 && !reading->restricted) {
		reading->restricted = true;
		strcpy(reading->key, line + 10);
		return STATUS_OK;
	}
	if (strncmp(line, "\\unrestrict ", 12) == 0 && reading->restricted && strcmp(reading->key, line + 12) == 0) {
		reading->restricted = false;
		return STATUS_OK;
	}
	if (strcmp(line, "\\encoding SQL_ASCII") == 0 && !reading->restricted) {
		return STATUS_OK;
	}
	return misplaced(part, "an unknown backslash command", error);
}

static enum status take_statement(struct reading *reading, const struct dump_part *part, struct error *error)
{
	if (reading->place == OPENING) {
		return error_set(error, STATUS_DAMAGED, "it is not a dump that pg_dumpall wrote");
	}
	if (reading->place == OUTSIDE || reading->place == CLOSED) {
		return misplaced(part, "a statement", error);
	}
	size_t end = 0;
	if (reading->place != DATABASE || !sql_statement_begins(part->bytes, part->length, "CREATE DATABASE", &end)) {
		return STATUS_OK;
	}
	struct dump_database *database = current(reading);
	if (database->created ||
		!sql_statement_name(part->bytes, sql_statement_token(part->bytes, part->length, end), database->name)) {
		return misplaced(part, "the making of a database", error);
	}
	database->created = true;
	/* A dump made with --clean connects elsewhere before it makes the database. */
	database->content = database->start;
	return STATUS_OK;
}

static enum status take_part(struct dump_listener *listener, const struct dump_part *part, struct error *error)
{
	struct reading *reading = (struct reading *)listener;
	if (!part->first) {
		return STATUS_OK;
	}
	switch (part->piece) {
	case DUMP_COMMENT:
		return take_comment(reading, part, error);
	case DUMP_COMMAND:
		return take_command(reading, part, error);
	case DUMP_STATEMENT:
		return take_statement(reading, part, error);
	case DUMP_SPACE:
	case DUMP_COPY_DATA:
		break;
	}
	return STATUS_OK;
}

void dump_layout_free(struct dump_layout *layout)
{
	free(layout->databases);
	*layout = (struct dump_layout){0};
}

enum status dump_layout_read(struct source *file, struct progress *progress, struct dump_layout *ret_layout,
							 struct error *error)
{
	CLEANUP(cleanup_source) struct source *owned = file;
	struct reading reading = {.listener = {.part = take_part}};
	enum status status = dump_reader_stream(owned, &reading.listener, progress, &reading.layout.size, error);
	if (status == STATUS_OK && reading.place == OPENING) {
		status = error_set(error, STATUS_DAMAGED, "it is empty");
	} else if (status == STATUS_OK && reading.place != CLOSED) {
		status = error_set(error, STATUS_DAMAGED, "it is not complete: the closing line of pg_dumpall is missing");
	}
	if (status == STATUS_OK && reading.restricted) {
		status = error_set(error, STATUS_DAMAGED, "a \\restrict is never lifted");
	}
	if (status != STATUS_OK) {
		dump_layout_free(&reading.layout);
		return status;
	}
	*ret_layout = reading.layout;
	return STATUS_OK;
}
