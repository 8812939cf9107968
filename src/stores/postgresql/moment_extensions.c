#include "stores/postgresql/moment_extensions.h"

#include <string.h>

/*
 * What CREATE EXTENSION inserts has the xmin of what it notes in the catalogs, in the same transaction: of the row of
 * pg_extension, which ALTER EXTENSION writes again, and of those of pg_depend, one for each member. (An xmin stays as
 * it is when the row is frozen.) After pg_upgrade, which writes all these anew, rows that came with an extension are
 * warned of as well: too much is said then, and nothing is lost.
 */
static const char left_out_sql[] =
	"SELECT format('SELECT %L, %L, count(*) FROM ONLY %I.%I WHERE xmin::text <> ALL (%L) AND %s HAVING count(*) > 0',\n"
	"	format('%I.%I', n.nspname, c.relname), e.extname, n.nspname, c.relname,\n"
	"	(SELECT array_agg(m.xmin::text) || e.xmin::text FROM pg_depend m\n"
	"		WHERE m.refclassid = 'pg_extension'::regclass AND m.refobjid = e.oid AND m.deptype = 'e'),\n"
	"	CASE WHEN asked.condition IS NULL THEN 'true'\n"
	"	ELSE format('ctid NOT IN (SELECT ctid FROM ONLY %I.%I %s)', n.nspname, c.relname, asked.condition) END)\n"
	"FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid JOIN pg_class c ON c.oid = d.objid\n"
	"JOIN pg_namespace n ON n.oid = c.relnamespace\n"
	"LEFT JOIN LATERAL unnest(e.extconfig, e.extcondition) AS asked (oid, condition) ON asked.oid = c.oid\n"
	"WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'\n"
	"AND c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND asked.condition IS DISTINCT FROM ''\n"
	"ORDER BY n.nspname, c.relname\n\\gexec\n";

enum status moment_extensions_warn(struct moment_database *database, struct progress *progress, struct error *error)
{
	enum status status = psql_session_run(database->session, left_out_sql, error);
	const struct buffer *rows = psql_session_rows(database->session);
	for (size_t at = 0; status == STATUS_OK && at < rows->length;) {
		const char *table = psql_next(rows, &at);
		const char *extension = psql_next(rows, &at);
		const char *number = psql_next(rows, &at);
		if (number == NULL) {
			return error_set(error, STATUS_FAILED, "PostgreSQL's list of tables of extensions makes no sense");
		}
		progress_warn(
			progress,
			"%s row%s of the table %s of database %s %s not in the backup: the table belongs to the extension "
			"%s, which lets pg_dump leave them out",
			number, strcmp(number, "1") == 0 ? "" : "s", table, database->name, strcmp(number, "1") == 0 ? "is" : "are",
			extension);
	}
	return status;
}
