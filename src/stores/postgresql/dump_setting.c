#include "stores/postgresql/dump_setting.h"

#include "stores/postgresql/sql_statement.h"

#include <string.h>
#include <strings.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char strings_name[] = "standard_conforming_strings";
static const char encoding_name[] = "client_encoding";

static bool is_any(const char *text, struct sql_token token, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (sql_statement_is(text, token, words[i])) {
			return true;
		}
	}
	return false;
}

/* The whole statement is `before`, one of the words, and `after`. */
static bool is_exactly(const struct dump_part *part, const char *before, const char *const *words, size_t count,
					   const char *after)
{
	size_t before_length = strlen(before);
	size_t after_length = strlen(after);
	if (!part->last || part->length < before_length + after_length || memcmp(part->bytes, before, before_length) != 0) {
		return false;
	}
	const char *word = part->bytes + before_length;
	size_t length = part->length - before_length - after_length;
	for (size_t i = 0; i < count; i++) {
		if (strlen(words[i]) == length && memcmp(word, words[i], length) == 0) {
			return memcmp(word + length, after, after_length) == 0;
		}
	}
	return false;
}

/* Those that a server can have (PostgreSQL 17, src/common/encnames.c): in none of them does an ASCII byte stand for
 * anything else. The others, SJIS for one, are for clients alone. */
static const char *const encodings[] = {
	"SQL_ASCII",     "UTF8",       "EUC_JP",  "EUC_CN",  "EUC_KR",     "EUC_TW",     "EUC_JIS_2004",
	"MULE_INTERNAL", "LATIN1",     "LATIN2",  "LATIN3",  "LATIN4",     "LATIN5",     "LATIN6",
	"LATIN7",        "LATIN8",     "LATIN9",  "LATIN10", "ISO_8859_5", "ISO_8859_6", "ISO_8859_7",
	"KOI8R",         "ISO_8859_8", "KOI8U",   "WIN866",  "WIN874",     "WIN1250",    "WIN1251",
	"WIN1252",       "WIN1253",    "WIN1254", "WIN1255", "WIN1256",    "WIN1257",    "WIN1258",
};

/* As pg_dump and pg_dumpall write them (pg_backup_archiver.c, _doSetFixedOutputState). */
static bool is_as_dumped(const struct dump_part *part)
{
	static const char *const values[] = {"on", "off"};
	return is_exactly(part, "SET standard_conforming_strings = ", values, COUNT(values), ";") ||
		   is_exactly(part, "SET client_encoding = '", encodings, COUNT(encodings), "';");
}

/* SET or RESET of one that does not matter here, by its plain name: U&"..." can spell any name with numbers. */
static bool is_of_another(const struct dump_part *part, size_t at)
{
	static const char *const ours[] = {strings_name, encoding_name, "NAMES", "ALL"};
	const char *text = part->bytes;
	struct sql_token name = sql_statement_token(text, part->length, at);
	if (sql_statement_is(text, name, "SESSION") || sql_statement_is(text, name, "LOCAL")) {
		name = sql_statement_token(text, part->length, name.start + name.length);
	}
	struct sql_token next = sql_statement_token(text, part->length, name.start + name.length);
	return name.kind == SQL_WORD && !is_any(text, name, ours, COUNT(ours)) &&
		   !(next.kind == SQL_SYMBOL && text[next.start] == '&');
}

static bool names_a_setting(const char *text, size_t length)
{
	static const char *const names[] = {strings_name, encoding_name};
	for (size_t i = 0; i < COUNT(names); i++) {
		size_t name_length = strlen(names[i]);
		for (size_t at = 0; at + name_length <= length; at++) {
			if ((text[at] | 0x20) == names[i][0] && strncasecmp(text + at, names[i], name_length) == 0) {
				return true;
			}
		}
	}
	return false;
}

/* In this part, or across its beginning. */
static bool goes_on_naming_one(struct dump_setting *setting, const struct dump_part *part)
{
	char seam[2 * DUMP_SETTING_TAIL];
	size_t begin = part->length < DUMP_SETTING_TAIL ? part->length : DUMP_SETTING_TAIL;
	memcpy(seam, setting->tail, setting->tail_length);
	memcpy(seam + setting->tail_length, part->bytes, begin);
	size_t seam_length = setting->tail_length + begin;
	bool names = names_a_setting(seam, seam_length) || names_a_setting(part->bytes, part->length);
	const char *end = begin < DUMP_SETTING_TAIL ? seam + seam_length : part->bytes + part->length;
	size_t known = begin < DUMP_SETTING_TAIL ? seam_length : part->length;
	setting->tail_length = known < DUMP_SETTING_TAIL ? known : DUMP_SETTING_TAIL;
	memcpy(setting->tail, end - setting->tail_length, setting->tail_length);
	return names;
}

/* What pg_dump writes with anything at all in it, since names, rows and the bodies of functions can hold any word. */
static bool may_hold_any_word(const struct dump_part *part)
{
	static const char *const first_words[] = {"CREATE",   "ALTER", "COMMENT", "INSERT", "COPY",
											  "SECURITY", "GRANT", "REVOKE",  "DROP",   "REFRESH"};
	struct sql_token first = sql_statement_token(part->bytes, part->length, 0);
	return is_any(part->bytes, first, first_words, COUNT(first_words)) ||
		   sql_statement_matches(part->bytes, part->length, "SELECT pg_catalog . setval ( ' , # , # ) ;", NULL);
}

/* These set back what was set since the transaction or the session began. pg_dump writes none of them. */
static bool sets_back(const struct dump_part *part)
{
	static const char *const first_words[] = {"ROLLBACK", "ABORT", "DISCARD"};
	struct sql_token first = sql_statement_token(part->bytes, part->length, 0);
	return is_any(part->bytes, first, first_words, COUNT(first_words));
}

bool dump_setting_allows(struct dump_setting *setting, const struct dump_part *part)
{
	size_t end = 0;
	if (part->first) {
		*setting = (struct dump_setting){0};
		if (sql_statement_begins(part->bytes, part->length, "SET", &end) ||
			sql_statement_begins(part->bytes, part->length, "RESET", &end)) {
			return is_as_dumped(part) || is_of_another(part, end);
		}
		if (sets_back(part)) {
			return false;
		}
		setting->suspect = !may_hold_any_word(part);
	}
	return !setting->suspect || !goes_on_naming_one(setting, part);
}
