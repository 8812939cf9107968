/* Writes the dump of the moment: one file of the shape that pg_dumpall writes, from one snapshot for each database. */
#include "stores/postgresql/moment.h"

#include "base/stream.h"
#include "stores/artefact_write.h"
#include "stores/postgresql/moment_changes.h"
#include "stores/postgresql/moment_extensions.h"
#include "stores/postgresql/row_counts.h"

#include <stdio.h>
#include <string.h>

enum { END_SIZE = 256 }; /* bytes in which a dump says that it is complete, and what stands behind that */

/* Hands on to the file, tells how far it is, and knows how it ends. */
struct dump_sink {
	struct sink sink;
	struct sink *next;
	struct progress *progress;
	char end[END_SIZE]; /* the last bytes of this database's dump */
	size_t end_length;
};

static void note_end(struct dump_sink *self, const char *bytes, size_t length)
{
	size_t some = length < END_SIZE ? length : END_SIZE;
	size_t stays = self->end_length + some > END_SIZE ? END_SIZE - some : self->end_length;
	memmove(self->end, self->end + self->end_length - stays, stays);
	memcpy(self->end + stays, bytes + length - some, some);
	self->end_length = stays + some;
}

static enum status dump_sink_write(struct sink *sink, const void *bytes, size_t length, struct error *error)
{
	struct dump_sink *self = (struct dump_sink *)sink;
	progress_advance(self->progress, length);
	note_end(self, bytes, length);
	return sink_write(self->next, bytes, length, error);
}

/* The engine drops what a program had still to say if nobody has taken it 2 seconds after the program's end, and hands
 * on its exit code all the same (moby, daemon/monitor.go, EventExit). */
static enum status expect_end(const struct dump_sink *self, struct error *error)
{
	static const char closing[] = "\n-- PostgreSQL database dump complete\n";
	if (memmem(self->end, self->end_length, closing, strlen(closing)) != NULL) {
		return STATUS_OK;
	}
	(void)error_set(error, STATUS_FAILED, "the end of its dump did not come through the engine");
	return error_hint(error, "the program was held up for some seconds at that moment; run the backup again");
}

static enum status put(struct sink *sink, const char *text, struct error *error)
{
	return sink_write(sink, text, strlen(text), error);
}

/*
 * Someone wants a table for himself, a TRUNCATE perhaps, and waits until our session lets go of it; pg_dump waits
 * behind him for a lock that our session has already. That would never end. But the server puts whoever waits into
 * another order if that resolves a deadlock, so one is made: our session asks for a table that pg_dump has read, and
 * nobody else needs: the list of extensions. Once pg_dump has its lock, and that is at once, the asking is given up.
 * Source: PostgreSQL 17, src/backend/storage/lmgr/README, "The Deadlock Detection Algorithm", soft edges.
 */
static const char make_way_sql[] =
	"DO $do$\n"
	"BEGIN\n"
	"	IF EXISTS (SELECT FROM pg_locks l JOIN pg_locks ours USING (locktype, database, relation, mode)\n"
	"		JOIN pg_stat_get_activity(NULL) a ON a.pid = l.pid AND a.application_name = '" POSTGRESQL_APPLICATION "'\n"
	"		WHERE locktype = 'relation' AND mode = 'AccessShareLock' AND NOT l.granted AND ours.granted\n"
	"		AND ours.pid = pg_backend_pid()) THEN\n"
	"		SET LOCAL deadlock_timeout = '10ms';\n"
	"		SET LOCAL lock_timeout = '100ms';\n"
	"		LOCK TABLE pg_catalog.pg_extension IN ACCESS EXCLUSIVE MODE;\n"
	"		RAISE lock_not_available;\n"
	"	END IF;\n"
	"EXCEPTION WHEN lock_not_available OR deadlock_detected THEN\n"
	"	NULL;\n"
	"END\n"
	"$do$;\n";

struct way {
	struct psql_watch watch;
	struct psql_session *session;
};

static enum status make_way(struct psql_watch *watch, struct error *error)
{
	return psql_session_run(((struct way *)watch)->session, make_way_sql, error);
}

static bool has_no_create(const char *name)
{
	return strcmp(name, "template1") == 0 || strcmp(name, "postgres") == 0;
}

/* As pg_dumpall (pg_dumpall.c, dumpDatabases). */
static enum status write_heading(struct sink *sink, const char *name, struct error *error)
{
	char line[SQL_NAME_SIZE];
	snprintf(line, sizeof line, "%s", name);
	for (char *at = line; *at != '\0'; at++) {
		*at = *at == '\n' || *at == '\r' ? ' ' : *at;
	}
	CLEANUP(buffer_free) struct buffer text = BUFFER_INIT(4 * SQL_NAME_SIZE);
	enum status status = buffer_printf(&text, error, "--\n-- Database \"%s\" dump\n--\n\n", line);
	if (status == STATUS_OK && has_no_create(name)) {
		status = buffer_printf(&text, error, "\\connect %s\n\n", name);
	}
	return status == STATUS_OK ? put(sink, buffer_text(&text), error) : status;
}

static enum status lost(const struct moment_database *database, struct error *error)
{
	(void)error_prefix(error, "the session that held the moment of database %s was lost", database->name);
	return error_hint(error, "run the backup again; if that happens again, the server's log tells who ended it");
}

/* A setting of the database or of our role may be an encoding for clients alone, such as SJIS. A dump in one of these
 * is read safely by nobody who does not know it (dump_setting.h), and may lack what that encoding cannot say. */
static enum status ask_encoding(struct moment_database *database, char ret_option[POSTGRESQL_ENCODING_SIZE],
								struct error *error)
{
	enum status status = psql_session_run(database->session, "SHOW server_encoding;", error);
	size_t at = 0;
	const char *encoding = status == STATUS_OK ? psql_next(psql_session_rows(database->session), &at) : NULL;
	if (status == STATUS_OK && encoding == NULL) {
		return error_set(error, STATUS_DAMAGED, "database %s does not tell its encoding", database->name);
	}
	if (encoding != NULL) {
		snprintf(ret_option, POSTGRESQL_ENCODING_SIZE, "--encoding=%s", encoding);
	}
	return status;
}

static enum status dump(struct postgresql *server, struct moment_database *database, struct dump_sink *dump_sink,
						struct error *error)
{
	struct sink *sink = &dump_sink->sink;
	char snapshot[sizeof "--snapshot=" + MOMENT_SNAPSHOT_SIZE];
	snprintf(snapshot, sizeof snapshot, "--snapshot=%s", database->snapshot);
	char encoding[POSTGRESQL_ENCODING_SIZE] = "";
	enum status status = ask_encoding(database, encoding, error);
	if (status == STATUS_FAILED || status == STATUS_UNAVAILABLE) {
		return lost(database, error);
	}
	const char *const arguments[] = {
		"pg_dump", "-w", snapshot, encoding, has_no_create(database->name) ? NULL : "--create", NULL};
	struct way way = {.watch = {.waits = make_way}, .session = database->session};
	if (status == STATUS_OK) {
		status = write_heading(sink, database->name, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	dump_sink->end_length = 0;
	status = psql_dump_watched(server, database->name, arguments, sink, &way.watch, error);
	if (status == STATUS_OK) {
		status = expect_end(dump_sink, error);
	}
	if (status != STATUS_FAILED && status != STATUS_UNAVAILABLE) {
		return status;
	}
	struct error reason;
	if (psql_session_run(database->session, "SELECT 1;", &reason) != STATUS_OK) {
		*error = reason;
		return lost(database, error);
	}
	return error_prefix(error, "database %s", database->name);
}

/* What else has to be asked of the session that holds the moment. */
static enum status warn_and_count(struct moment_database *database, struct progress *progress,
								  struct fingerprint *fingerprint, struct error *error)
{
	enum status status = moment_changes_warn(database, progress, error);
	if (status == STATUS_OK) {
		status = moment_extensions_warn(database, progress, error);
	}
	return status == STATUS_OK ? row_counts_add(database->session, database->name, fingerprint, error) : status;
}

static enum status lost_or(enum status status, const struct moment_database *database, struct error *error)
{
	return status == STATUS_FAILED || status == STATUS_UNAVAILABLE ? lost(database, error) : status;
}

/* A session ends as soon as its database is done: whoever waits for a table there can go on. */
static enum status dump_and_count(struct postgresql *server, struct moment_database *database, struct dump_sink *sink,
								  struct fingerprint *fingerprint, struct error *error)
{
	CLEANUP(buffer_free) struct buffer suspects = BUFFER_INIT(MOMENT_CHANGES_LIMIT);
	enum status status = dump(server, database, sink, error);
	if (status == STATUS_OK) {
		status = lost_or(moment_changes_suspect(database->session, &suspects, error), database, error);
	}
	if (status == STATUS_OK) {
		status = lost_or(warn_and_count(database, sink->progress, fingerprint, error), database, error);
	}
	if (status == STATUS_OK) { /* it lets go of the moment */
		status = moment_changes_compare(database, &suspects, error);
	}
	if (status == STATUS_OK) {
		status = lost_or(psql_session_end(database->session, error), database, error);
	}
	psql_session_free(MOVE(database->session));
	return status;
}

static enum status write_all(struct postgresql *server, struct dump_sink *dump_sink, struct fingerprint *fingerprint,
							 struct error *error)
{
	struct sink *sink = &dump_sink->sink;
	struct postgresql_moment *moment = server->moment;
	const struct buffer *globals = &moment->globals.text;
	enum status status = sink_write(sink, globals->data, globals->length, error);
	if (status == STATUS_OK) {
		status = put(sink, "--\n-- Databases\n--\n\n", error);
	}
	for (size_t i = 0; status == STATUS_OK && i < moment->count; i++) {
		status = dump_and_count(server, &moment->databases[i], dump_sink, fingerprint, error);
	}
	return status == STATUS_OK ? put(sink, MOMENT_GLOBALS_CLOSING, error) : status;
}

/* As soon as nothing stands still any more: there may be thousands. */
static enum status note_sequences(struct postgresql_moment *moment, struct error *error)
{
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < moment->count; i++) {
		struct moment_database *database = &moment->databases[i];
		status = lost_or(moment_changes_note(database->session, error), database, error);
	}
	return status;
}

enum status postgresql_moment_save(struct postgresql *server, struct progress *progress, struct saved *ret_saved,
								   struct error *error)
{
	static const struct sink_ops ops = {.write = dump_sink_write};
	struct postgresql_moment *moment = server->moment;
	CLEANUP(cleanup_sink) struct sink *file = NULL;
	CLEANUP(fingerprint_free) struct fingerprint fingerprint = {0};
	struct artefact_reading reading;
	progress_step(progress, "dumping", 0);
	enum status status = note_sequences(moment, error);
	if (status == STATUS_OK) {
		status = moment_globals_settle(server, moment->databases[0].session, &moment->globals, progress, error);
	}
	if (status == STATUS_OK) {
		status = artefact_sink_new(server->store.ops, server->path, &reading, &file, error);
	}
	struct dump_sink sink = {.sink = {.ops = &ops}, .next = file, .progress = progress};
	if (status == STATUS_OK) {
		status = write_all(server, &sink, &fingerprint, error);
	}
	if (status == STATUS_OK) {
		status = sink_finish(file, error);
	}
	if (status == STATUS_OK) {
		fingerprint.known = fingerprint.exact = true;
		*ret_saved = (struct saved){.method = "pg_dump of exported snapshots", .fingerprint = fingerprint};
		artefact_note(ret_saved, &reading);
		fingerprint = (struct fingerprint){0};
	}
	return status;
}
