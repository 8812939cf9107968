#include "stores/postgresql/sql_statement.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_word(char byte)
{
	return isalnum((unsigned char)byte) || byte == '_' || byte == '$' || (unsigned char)byte >= 0x80;
}

/* The length of the quoted thing at `at`, both quotes included; to the end of the text if it is not closed. */
static size_t quoted_length(const char *text, size_t length, size_t at, char quote, bool escapes)
{
	size_t end = at + 1;
	while (end < length) {
		bool escaped = escapes && text[end] == '\\';
		bool doubled = text[end] == quote && end + 1 < length && text[end + 1] == quote;
		if (escaped || doubled) {
			end += 2;
		} else if (text[end] == quote) {
			return end + 1 - at;
		} else {
			end++;
		}
	}
	return length - at;
}

struct sql_token sql_statement_token(const char *text, size_t length, size_t at)
{
	for (;;) {
		while (at < length && isspace((unsigned char)text[at])) {
			at++;
		}
		if (at + 1 >= length || text[at] != '-' || text[at + 1] != '-') {
			break;
		}
		const char *newline = memchr(text + at, '\n', length - at);
		at = newline != NULL ? (size_t)(newline - text) : length;
	}
	struct sql_token token = {.kind = SQL_END, .start = at};
	if (at >= length) {
		return token;
	}
	bool escapes = (text[at] == 'E' || text[at] == 'e') && at + 1 < length && text[at + 1] == '\'';
	if (escapes || text[at] == '\'') {
		token.kind = SQL_STRING;
		token.length = escapes + quoted_length(text, length, at + escapes, '\'', escapes);
	} else if (text[at] == '"') {
		token.kind = SQL_IDENTIFIER;
		token.length = quoted_length(text, length, at, '"', false);
	} else if (is_word(text[at])) {
		token.kind = SQL_WORD;
		while (at + token.length < length && is_word(text[at + token.length])) {
			token.length++;
		}
	} else {
		token.kind = SQL_SYMBOL;
		token.length = 1;
	}
	return token;
}

bool sql_statement_is(const char *text, struct sql_token token, const char *keyword)
{
	return token.kind == SQL_WORD && strlen(keyword) == token.length &&
		   strncasecmp(text + token.start, keyword, token.length) == 0;
}

bool sql_statement_begins(const char *text, size_t length, const char *keywords, size_t *ret_end)
{
	size_t at = 0;
	while (*keywords != '\0') {
		size_t keyword_length = strcspn(keywords, " ");
		struct sql_token token = sql_statement_token(text, length, at);
		if (token.kind != SQL_WORD || token.length != keyword_length ||
			strncasecmp(text + token.start, keywords, keyword_length) != 0) {
			return false;
		}
		at = token.start + token.length;
		keywords += keyword_length + (keywords[keyword_length] == ' ');
	}
	*ret_end = at;
	return true;
}

bool sql_statement_name(const char *text, struct sql_token token, char ret_name[SQL_NAME_SIZE])
{
	char name[SQL_NAME_SIZE];
	size_t used = 0;
	const char *from = text + token.start;
	bool quoted = token.kind == SQL_IDENTIFIER;
	if ((token.kind != SQL_WORD && !quoted) || token.length < (quoted ? 3 : 1)) {
		return false;
	}
	for (size_t i = quoted; i < token.length - quoted; i++) {
		if (used + 1 == sizeof name) {
			return false;
		}
		/* PostgreSQL folds unquoted ASCII letters; pg_dump quotes a name that has others than small ones. */
		name[used++] = quoted ? from[i] : (char)tolower((unsigned char)from[i]);
		i += quoted && from[i] == '"';
	}
	name[used] = '\0';
	memcpy(ret_name, name, used + 1);
	return true;
}

bool sql_statement_has(const char *text, size_t length, const char *keyword)
{
	for (struct sql_token token = sql_statement_token(text, length, 0); token.kind != SQL_END;
		 token = sql_statement_token(text, length, token.start + token.length)) {
		if (sql_statement_is(text, token, keyword)) {
			return true;
		}
	}
	return false;
}

struct sql_token sql_statement_database(const char *text, size_t length)
{
	static const struct {
		const char *verb;
		const char *before; /* the word in front of DATABASE */
	} forms[] = {
		{"CREATE", "CREATE"}, {"ALTER", "ALTER"},
		{"DROP", "DROP"},     {"ALTER", "IN"}, /* ALTER ROLE r IN DATABASE d SET ... */
		{"COMMENT", "ON"},    {"GRANT", "ON"},
		{"REVOKE", "ON"},     {"SECURITY", "ON"},
	};
	struct sql_token verb = sql_statement_token(text, length, 0);
	struct sql_token before = verb;
	if (verb.kind != SQL_WORD) {
		return (struct sql_token){.kind = SQL_END};
	}
	for (;;) {
		struct sql_token token = sql_statement_token(text, length, before.start + before.length);
		if (token.kind != SQL_WORD && token.kind != SQL_IDENTIFIER && token.kind != SQL_SYMBOL) {
			return (struct sql_token){.kind = SQL_END};
		}
		for (size_t i = 0; sql_statement_is(text, token, "DATABASE") && i < sizeof forms / sizeof *forms; i++) {
			bool verb_alone = strcmp(forms[i].verb, forms[i].before) == 0;
			if (sql_statement_is(text, verb, forms[i].verb) && sql_statement_is(text, before, forms[i].before) &&
				(!verb_alone || before.start == verb.start)) {
				return sql_statement_token(text, length, token.start + token.length);
			}
		}
		before = token;
	}
}

/* One word of a pattern, all but "*". */
static bool fits(const char *text, struct sql_token token, const char *word, size_t length, const char *name)
{
	char found[SQL_NAME_SIZE];
	if (length == 1 && *word == '@') {
		return sql_statement_name(text, token, found) && strcmp(found, name) == 0;
	}
	if (length == 1 && *word == '#') {
		return token.kind == SQL_WORD || token.kind == SQL_IDENTIFIER;
	}
	if (length == 1 && *word == '\'') {
		return token.kind == SQL_STRING && memchr(text + token.start, '\\', token.length) == NULL;
	}
	return (token.kind == SQL_WORD || token.kind == SQL_SYMBOL) && token.length == length &&
		   strncasecmp(text + token.start, word, length) == 0;
}

bool sql_statement_matches(const char *text, size_t length, const char *pattern, const char *name)
{
	size_t at = 0;
	bool any = false;
	while (*pattern != '\0') {
		size_t word_length = strcspn(pattern, " ");
		const char *next = pattern + word_length + (pattern[word_length] == ' ');
		struct sql_token token = sql_statement_token(text, length, at);
		if (word_length == 1 && *pattern == '*') {
			any = true;
			pattern = next;
		} else if (fits(text, token, pattern, word_length, name)) {
			any = false;
			pattern = next;
			at = token.start + token.length;
		} else if (any && (token.kind == SQL_WORD || (token.kind == SQL_SYMBOL && text[token.start] == ','))) {
			at = token.start + token.length;
		} else {
			return false;
		}
	}
	return true;
}

static bool is_letter(char byte)
{
	char letter = (char)(byte | 0x20);
	return letter >= 'a' && letter <= 'z';
}

void sql_statement_kind(const char *text, size_t length, char ret_kind[SQL_KIND_SIZE])
{
	size_t used = 0;
	size_t at = 0;
	ret_kind[0] = '\0';
	for (unsigned words = 0; words < SQL_KIND_WORDS && at < length && is_letter(text[at]); words++) {
		size_t word = at;
		while (at < length && is_letter(text[at])) {
			at++;
		}
		if (used + 1 + (at - word) >= SQL_KIND_SIZE) {
			break;
		}
		used += (size_t)snprintf(ret_kind + used, SQL_KIND_SIZE - used, "%s%.*s", words > 0 ? " " : "",
								 (int)(at - word), text + word);
		while (at < length && isspace((unsigned char)text[at])) {
			at++;
		}
	}
}

static enum status quote(struct buffer *sql, const char *text, char mark, struct error *error)
{
	enum status status = buffer_append(sql, &mark, 1, error);
	for (const char *at = text; status == STATUS_OK && *at != '\0'; at++) {
		status = buffer_append(sql, at, 1, error);
		if (status == STATUS_OK && *at == mark) {
			status = buffer_append(sql, &mark, 1, error);
		}
	}
	return status == STATUS_OK ? buffer_append(sql, &mark, 1, error) : status;
}

enum status sql_statement_quote_name(struct buffer *sql, const char *name, struct error *error)
{
	return quote(sql, name, '"', error);
}

enum status sql_statement_quote_text(struct buffer *sql, const char *text, struct error *error)
{
	return quote(sql, text, '\'', error);
}
