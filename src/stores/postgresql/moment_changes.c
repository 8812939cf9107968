#include "stores/postgresql/moment_changes.h"

enum { SQL_LIMIT = MOMENT_CHANGES_LIMIT + (64 << 10) };

/* --- sequences ---------------------------------------------------------------------------------------------------- */

/*
 * What each sequence gives next, as {"OID": "1001"}. A sequence that cycles goes back by itself. One that somebody is
 * changing just now, or has dropped, is left out. All is read in a block that is given up, so that the session lets go
 * of the sequences again: nobody who wants to drop one shall wait for the dump.
 */
#define READ_SEQUENCES(setting)                                                                                        \
	"DO $do$\n"                                                                                                        \
	"DECLARE\n"                                                                                                        \
	"	sequence record;\n"                                                                                              \
	"	next text;\n"                                                                                                    \
	"	oids text[] := '{}';\n"                                                                                          \
	"	values text[] := '{}';\n"                                                                                        \
	"BEGIN\n"                                                                                                          \
	"	BEGIN\n"                                                                                                         \
	"		SET LOCAL lock_timeout = '50ms';\n"                                                                             \
	"		FOR sequence IN SELECT c.oid, n.nspname, c.relname, s.seqincrement\n"                                           \
	"			FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = "                      \
	"c.relnamespace\n"                                                                                                 \
	"			WHERE NOT s.seqcycle AND c.relpersistence <> 't' AND NOT EXISTS (SELECT FROM pg_depend d\n"                    \
	"				JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass\n"                      \
	"				WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'e'\n"                             \
	"				AND c.oid <> ALL (coalesce(e.extconfig, '{}'))) LOOP\n"                                                       \
	"			BEGIN\n"                                                                                                       \
	"				EXECUTE format('SELECT last_value::numeric + CASE WHEN is_called THEN %s ELSE 0 END FROM "                    \
	"%I.%I',\n"                                                                                                        \
	"					sequence.seqincrement, sequence.nspname, sequence.relname) INTO next;\n"                                     \
	"				oids := oids || sequence.oid::text;\n"                                                                        \
	"				values := values || next;\n"                                                                                  \
	"			EXCEPTION WHEN OTHERS THEN\n"                                                                                  \
	"				NULL;\n"                                                                                                      \
	"			END;\n"                                                                                                        \
	"		END LOOP;\n"                                                                                                    \
	"		RAISE 'read';\n"                                                                                                \
	"	EXCEPTION WHEN raise_exception THEN\n"                                                                           \
	"		NULL;\n"                                                                                                        \
	"	END;\n"                                                                                                          \
	"	PERFORM set_config('" setting "', jsonb_object(oids, values)::text, true);\n"                                  \
	"END\n"                                                                                                            \
	"$do$;\n"
#define NOTED "whisperbackup.sequences"
#define NOW   "whisperbackup.sequences_now"

enum status moment_changes_note(struct psql_session *session, struct error *error)
{
	return psql_session_run(session, READ_SEQUENCES(NOTED), error);
}

static const char gone_back_sql[] = READ_SEQUENCES(NOW) //
	"SELECT format('%I.%I', n.nspname, c.relname), noted.value, now.value\n"
	"FROM jsonb_each_text(current_setting('" NOTED "')::jsonb) noted\n"
	"JOIN jsonb_each_text(current_setting('" NOW "')::jsonb) now USING (key)\n"
	"JOIN pg_class c ON c.oid = key::oid JOIN pg_namespace n ON n.oid = c.relnamespace\n"
	"JOIN pg_sequence s ON s.seqrelid = c.oid\n"
	"WHERE (now.value::numeric - noted.value::numeric) * sign(s.seqincrement) < 0 ORDER BY 1;\n";

enum status moment_changes_warn(struct moment_database *database, struct progress *progress, struct error *error)
{
	enum status status = psql_session_run(database->session, gone_back_sql, error);
	const struct buffer *rows = psql_session_rows(database->session);
	for (size_t at = 0; status == STATUS_OK && at < rows->length;) {
		const char *name = psql_next(rows, &at);
		const char *noted = psql_next(rows, &at);
		const char *now = psql_next(rows, &at);
		if (now == NULL) {
			return error_set(error, STATUS_FAILED, "PostgreSQL's list of sequences makes no sense");
		}
		progress_warn(progress,
					  "the sequence %s of database %s was set back while the backup was made, from %s to %s, and may "
					  "be in it like that: after a restore it would give numbers that are taken",
					  name, database->name, noted, now);
	}
	return status;
}

/* --- names and definitions ---------------------------------------------------------------------------------------- */

/* A catalog whose rows are `x`, and in which schema (`n`) what they tell of is. */
struct catalog {
	const char *kind; /* in words */
	const char *from;
	const char *key;
	const char *name; /* in that schema; NULL: the schema itself */
	const char *content;
};

#define IN_SCHEMA(catalog, schema) catalog " x JOIN pg_namespace n ON n.oid = x." schema
#define OF_RELATION(catalog, relation)                                                                                 \
	catalog " x JOIN pg_class c ON c.oid = x." relation " JOIN pg_namespace n ON n.oid = c.relnamespace"
#define ALL              "to_jsonb(x)"
#define WITHOUT(columns) "to_jsonb(x) - '{" columns "}'::text[]"
#define ONLY(columns)    "jsonb_build_array(" columns ")"

/*
 * Those of which pg_dump looks names or definitions up as they are now. Not all columns: REFRESH MATERIALIZED VIEW,
 * REINDEX and CREATE INDEX write another row of pg_class that says nothing else of what is dumped, and owners and
 * rights are read from the snapshot. Nor what only tables have, which are locked: no column, default or constraint of
 * them is changed meanwhile.
 */
static const struct catalog catalogs[] = {
	{"schema", "pg_namespace n JOIN pg_namespace x USING (oid)", "oid", NULL, ONLY("x.nspname")},
	{"type", IN_SCHEMA("pg_type", "typnamespace") " AND x.oid NOT IN (SELECT typarray FROM pg_type)", "x.oid",
	 "x.typname", WITHOUT("typowner,typacl")},
	{"value of type", "pg_enum x JOIN pg_type t ON t.oid = x.enumtypid JOIN pg_namespace n ON n.oid = t.typnamespace",
	 "x.oid", "t.typname", ALL},
	{"function", IN_SCHEMA("pg_proc", "pronamespace"), "x.oid", "x.proname", WITHOUT("proowner,proacl")},
	{"relation", IN_SCHEMA("pg_class", "relnamespace"), "x.oid", "x.relname",
	 ONLY("x.relname, x.relnamespace, x.relkind, x.relnatts")},
	{"column of", OF_RELATION("pg_attribute", "attrelid"), "x.attrelid || '.' || x.attnum", "c.relname",
	 ONLY("x.attname, x.atttypid, x.atttypmod, x.attisdropped")},
	{"rule of", OF_RELATION("pg_rewrite", "ev_class"), "x.oid", "c.relname", ALL},
	{"trigger of", OF_RELATION("pg_trigger", "tgrelid"), "x.oid", "c.relname", WITHOUT("tgenabled")},
	{"sequence", OF_RELATION("pg_sequence", "seqrelid"), "x.seqrelid", "c.relname", ALL},
	{"statistics", IN_SCHEMA("pg_statistic_ext", "stxnamespace"), "x.oid", "x.stxname",
	 ONLY("x.stxname, x.stxnamespace")},
	{"operator", IN_SCHEMA("pg_operator", "oprnamespace"), "x.oid", "x.oprname", WITHOUT("oprowner")},
	{"operator class", IN_SCHEMA("pg_opclass", "opcnamespace"), "x.oid", "x.opcname", WITHOUT("opcowner")},
	{"collation", IN_SCHEMA("pg_collation", "collnamespace"), "x.oid", "x.collname",
	 ONLY("x.collname, x.collnamespace")},
	{"text search configuration", IN_SCHEMA("pg_ts_config", "cfgnamespace"), "x.oid", "x.cfgname", WITHOUT("cfgowner")},
	{"text search dictionary", IN_SCHEMA("pg_ts_dict", "dictnamespace"), "x.oid", "x.dictname", WITHOUT("dictowner")},
};
enum { CATALOGS = sizeof catalogs / sizeof *catalogs };

/* A table `o`: kind, key, name, whether the row has an end, content. */
static enum status append_objects(struct buffer *sql, struct error *error)
{
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < CATALOGS; i++) {
		const struct catalog *catalog = &catalogs[i];
		status = buffer_printf(sql, error,
							   "%sSELECT '%s', (%s)::text, n.nspname%s%s, x.xmax::text <> '0',\n"
							   "	hashtextextended((%s)::text, 0)::text FROM %s WHERE n.nspname !~ '^pg_'\n",
							   i == 0 ? "(" : "UNION ALL ", catalog->kind, catalog->key,
							   catalog->name != NULL ? " || '.' || " : "", catalog->name != NULL ? catalog->name : "",
							   catalog->content, catalog->from);
	}
	return status == STATUS_OK ? buffer_append_text(sql, ") AS o (kind, key, name, ended, content)\n", error) : status;
}

/* A row that the snapshot sees and that has an xmax was updated or deleted later, or somebody began to and gave up, or
 * only locked it. */
enum status moment_changes_suspect(struct psql_session *session, struct buffer *suspects, struct error *error)
{
	CLEANUP(buffer_free) struct buffer sql = BUFFER_INIT(SQL_LIMIT);
	enum status status =
		buffer_append_text(&sql,
						   "SELECT 'WITH held (kind, key, name, content) AS (VALUES ' ||\n"
						   "	string_agg(format('(%L, %L, %L, %L)', kind, key, name, content), ', ') || ')' FROM\n",
						   error);
	if (status == STATUS_OK) {
		status = append_objects(&sql, error);
	}
	if (status == STATUS_OK) {
		status = buffer_append_text(&sql, "WHERE ended HAVING count(*) > 0;\n", error);
	}
	if (status == STATUS_OK) {
		status = psql_session_run(session, buffer_text(&sql), error);
	}
	size_t at = 0;
	const char *list = status == STATUS_OK ? psql_next(psql_session_rows(session), &at) : NULL;
	buffer_clear(suspects);
	return list != NULL ? buffer_append_text(suspects, list, error) : status;
}

static enum status compare_sql(const struct buffer *suspects, struct buffer *sql, struct error *error)
{
	enum status status = buffer_append(sql, suspects->data, suspects->length, error);
	if (status == STATUS_OK) {
		status =
			buffer_append_text(sql, " SELECT kind || ' ' || name FROM held WHERE NOT EXISTS (SELECT FROM\n", error);
	}
	if (status == STATUS_OK) {
		status = append_objects(sql, error);
	}
	return status == STATUS_OK
			   ? buffer_append_text(sql,
									"WHERE o.kind = held.kind AND o.key = held.key AND o.content = held.content)\n"
									"ORDER BY 1 LIMIT 1;\n",
									error)
			   : status;
}

/*
 * All in one message to the server: who has waited for the moment to end has no time to change anything in between.
 * (Another session could not be asked before that end: it may have to wait behind who waits for this one.)
 */
static const char look_anew[] = "ROLLBACK\\; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY\\; SELECT 1;";

enum status moment_changes_compare(struct moment_database *database, const struct buffer *suspects, struct error *error)
{
	if (suspects->length == 0) {
		return STATUS_OK;
	}
	CLEANUP(buffer_free) struct buffer sql = BUFFER_INIT(SQL_LIMIT);
	enum status status = compare_sql(suspects, &sql, error);
	if (status == STATUS_OK) {
		status = psql_session_run(database->session, look_anew, error);
	}
	if (status == STATUS_OK) {
		status = psql_session_run(database->session, buffer_text(&sql), error);
	}
	size_t at = 0;
	const char *changed = status == STATUS_OK ? psql_next(psql_session_rows(database->session), &at) : NULL;
	if (changed == NULL) {
		return status;
	}
	(void)error_set(error, STATUS_FAILED, "database %s: the schema was changed while it was being saved: %s",
					database->name, changed);
	return error_hint(error, "what was saved might not load; run the backup again when nothing changes the schema");
}
