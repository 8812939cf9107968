#include "stores/postgresql/dump_layout.h"

#include "stores/postgresql/dump_setting.h"

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
	bool header;   /* DATABASE: pg_dump's own header has been seen */
	bool stranger; /* DATABASE: a statement has been seen that neither makes the database nor sets its properties */
	uint64_t stranger_line;
	char stranger_kind[SQL_KIND_SIZE];
	struct dump_setting setting;
	uint64_t suspect_line;
	char suspect_kind[SQL_KIND_SIZE];
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
	layout->databases[layout->count++] = (struct dump_database){.start = part->offset,
																.content = part->offset,
																.end = part->offset,
																.start_escapes = part->escapes,
																.content_escapes = part->escapes};
	reading->place = DATABASE;
	reading->stranger = false;
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
	if (status == STATUS_OK && reading->stranger) {
		return error_set(error, STATUS_DAMAGED,
						 "the statement %s... at line %llu is before a \\connect, where a dump only makes the database",
						 reading->stranger_kind, (unsigned long long)reading->stranger_line);
	}
	if (status == STATUS_OK) {
		current(reading)->content = part->offset + part->length;
		current(reading)->content_escapes = part->escapes;
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

/*
 * What pg_dump writes between a database's heading and its last \connect (PostgreSQL 13 to 18: pg_dump.c, dumpDatabase
 * and dumpDatabaseConfig; dumputils.c, buildACLCommands and emitShSecLabels; pg_backup_archiver.c,
 * _doSetFixedOutputState, _doSetSessionAuth and _selectOutputSchema). A restore runs it outside of any transaction, in
 * a server that is in use: nothing else can be allowed to stand there. What is dropped and updated is left out of it
 * (dump_rename.h).
 */
static bool makes_the_database(const struct dump_part *part, const char *name)
{
	static const char *const patterns[] = {
		"SET #",
		"RESET SESSION AUTHORIZATION",
		"SELECT pg_catalog . set_config ( ' , ' , false ) ;",
		"CREATE DATABASE @ WITH",
		"CREATE DATABASE @ ;",
		"ALTER DATABASE @ OWNER TO",
		"ALTER DATABASE @ SET",
		"ALTER DATABASE @ CONNECTION LIMIT",
		"ALTER DATABASE @ IS_TEMPLATE",
		"ALTER ROLE # IN DATABASE @ SET",
		"COMMENT ON DATABASE @ IS",
		"SECURITY LABEL ON DATABASE @ IS",
		"SECURITY LABEL FOR # ON DATABASE @ IS",
		"GRANT * ON DATABASE @ TO",
		"REVOKE * ON DATABASE @ FROM",
		"DROP DATABASE",
		"UPDATE pg_catalog . pg_database SET",
	};
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
		if (sql_statement_matches(part->bytes, part->length, patterns[i], name)) {
			return true;
		}
	}
	return false;
}

/* It is refused if a \connect follows; else it is what is done in the database itself. */
static void note_stranger(struct reading *reading, const struct dump_part *part)
{
	if (!reading->stranger && !makes_the_database(part, current(reading)->name)) {
		reading->stranger = true;
		reading->stranger_line = part->line;
		sql_statement_kind(part->bytes, part->length, reading->stranger_kind);
	}
}

/* Every part of it, since the name of a setting may stand anywhere. */
static enum status watch_statement(struct reading *reading, const struct dump_part *part, struct error *error)
{
	bool allowed = dump_setting_allows(&reading->setting, part);
	if (part->first && (!allowed || reading->setting.suspect)) {
		reading->suspect_line = part->line;
		sql_statement_kind(part->bytes, part->length, reading->suspect_kind);
	}
	return allowed ? STATUS_OK
				   : error_set(error, STATUS_DAMAGED,
							   "the statement %s... at line %llu may change how the rest is read, in a way that "
							   "pg_dump does not",
							   reading->suspect_kind, (unsigned long long)reading->suspect_line);
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
	if (reading->place != DATABASE) {
		return STATUS_OK;
	}
	if (!sql_statement_begins(part->bytes, part->length, "CREATE DATABASE", &end)) {
		note_stranger(reading, part);
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
	database->content_escapes = database->start_escapes;
	note_stranger(reading, part);
	return STATUS_OK;
}

static enum status take_part(struct dump_listener *listener, const struct dump_part *part, struct error *error)
{
	struct reading *reading = (struct reading *)listener;
	enum status status = part->piece == DUMP_STATEMENT ? watch_statement(reading, part, error) : STATUS_OK;
	if (status != STATUS_OK || !part->first) {
		return status;
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

struct dump_stretch dump_layout_making(const struct dump_database *database)
{
	return (struct dump_stretch){.from = database->start, .to = database->content, .escapes = database->start_escapes};
}

struct dump_stretch dump_layout_content(const struct dump_database *database)
{
	return (struct dump_stretch){.from = database->content, .to = database->end, .escapes = database->content_escapes};
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
