#include "stores/postgresql/moment_globals.h"

#include <stdio.h>
#include <string.h>

enum { SQL_LIMIT = 4096, ROWS_LIMIT = 4096 };

/* Everything that pg_dumpall --globals-only reads, as one number. Passwords do not leave the server. */
#define DIGEST                                                                                                         \
	"SET datestyle = 'ISO, YMD';\nSET timezone = 'UTC';\n"                                                             \
	"SELECT hashtextextended(string_agg(t, ',' ORDER BY t COLLATE \"C\"), 0) FROM (\n"                                 \
	"	SELECT 'role' || x::text FROM pg_authid x UNION ALL\n"                                                           \
	"	SELECT 'member' || x::text FROM pg_auth_members x UNION ALL\n"                                                   \
	"	SELECT 'setting' || x::text FROM pg_db_role_setting x WHERE setdatabase = 0 UNION ALL\n"                         \
	"	SELECT 'tablespace' || x::text || pg_tablespace_location(oid) FROM pg_tablespace x UNION ALL\n"                  \
	"	SELECT 'label' || x::text FROM pg_shseclabel x UNION ALL\n"                                                      \
	"	SELECT 'comment' || x::text FROM pg_shdescription x\n"                                                           \
	"	WHERE classoid IN ('pg_authid'::regclass, 'pg_tablespace'::regclass)"
#define DIGEST_15  " UNION ALL\n	SELECT 'parameter' || x::text FROM pg_parameter_acl x"
#define DIGEST_END ") AS x (t);"

static const char *digest_sql(const struct postgresql *server)
{
	return server->version_number >= 150000 ? DIGEST DIGEST_15 DIGEST_END : DIGEST DIGEST_END;
}

static void keep_digest(const struct buffer *rows, char ret_digest[MOMENT_GLOBALS_DIGEST_SIZE])
{
	snprintf(ret_digest, MOMENT_GLOBALS_DIGEST_SIZE, "%s", buffer_text(rows));
}

static enum status digest(struct postgresql *server, char ret_digest[MOMENT_GLOBALS_DIGEST_SIZE], struct error *error)
{
	CLEANUP(buffer_free) struct buffer rows = BUFFER_INIT(ROWS_LIMIT);
	enum status status = psql_query(server, server->database, digest_sql(server), &rows, error);
	if (status == STATUS_OK) {
		keep_digest(&rows, ret_digest);
	}
	return status;
}

enum status moment_globals_open_end(struct buffer *text, struct error *error)
{
	size_t closing = strlen(MOMENT_GLOBALS_CLOSING);
	if (text->length < closing || memcmp(text->data + text->length - closing, MOMENT_GLOBALS_CLOSING, closing) != 0) {
		return error_set(error, STATUS_FAILED, "the roles that pg_dumpall wrote do not end as a dump of it does");
	}
	text->length -= closing;
	text->data[text->length] = '\0';
	return STATUS_OK;
}

static enum status dump(struct postgresql *server, struct buffer *text, struct error *error)
{
	const char *const arguments[] = {"pg_dumpall", "-w", "--globals-only", server->encoding, NULL};
	CLEANUP(cleanup_sink) struct sink *sink = NULL;
	buffer_free(text);
	*text = (struct buffer)BUFFER_INIT(MOMENT_GLOBALS_LIMIT);
	enum status status = sink_to_buffer_new(text, &sink, error);
	if (status == STATUS_OK) {
		status = psql_dump(server, server->database, arguments, sink, error);
	}
	return status == STATUS_OK ? moment_globals_open_end(text, error) : status;
}

enum status moment_globals_take(struct postgresql *server, struct moment_globals *globals, struct error *error)
{
	char now[MOMENT_GLOBALS_DIGEST_SIZE];
	enum status status = digest(server, now, error);
	if (status != STATUS_OK || (globals->text.length > 0 && strcmp(now, globals->digest) == 0)) {
		return status;
	}
	status = dump(server, &globals->text, error);
	if (status != STATUS_OK) {
		buffer_free(&globals->text);
		return status;
	}
	memcpy(globals->digest, now, sizeof now);
	return STATUS_OK;
}

/* What was taken before is right if nothing has changed from before that until the moment; what is taken now, if
 * nothing has from the moment until after that. */
enum status moment_globals_settle(struct postgresql *server, struct psql_session *session,
								  struct moment_globals *globals, struct progress *progress, struct error *error)
{
	char at_moment[MOMENT_GLOBALS_DIGEST_SIZE] = "";
	enum status status = psql_session_run(session, digest_sql(server), error);
	if (status == STATUS_OK) {
		keep_digest(psql_session_rows(session), at_moment);
	}
	if (status != STATUS_OK || strcmp(at_moment, globals->digest) == 0) {
		return status;
	}
	status = dump(server, &globals->text, error);
	if (status == STATUS_OK) {
		status = digest(server, globals->digest, error);
	}
	if (status == STATUS_OK && strcmp(at_moment, globals->digest) != 0) {
		progress_warn(progress, "roles or tablespaces were changed while the backup was made: it holds them as they "
								"were a little later than the data");
	}
	return status;
}

void moment_globals_free(struct moment_globals *globals)
{
	buffer_free(&globals->text);
}
