#include "stores/postgresql/dump_statement.h"

#include <string.h>
#include <strings.h>

static bool is_word(const char *bytes, size_t length, const char *word)
{
	return strlen(word) == length && strncasecmp(bytes, word, length) == 0;
}

void dump_statement_word(struct dump_statement *statement, const char *word, size_t length)
{
	unsigned number = statement->words++;
	statement->copy = number == 0 ? is_word(word, length, "copy") : statement->copy;
	/* In parentheses it is a table of that name: COPY (SELECT a FROM stdin) TO stdout. */
	statement->from_stdin =
		statement->from_stdin || (statement->from && statement->paren_depth == 0 && is_word(word, length, "stdin"));
	statement->from = is_word(word, length, "from");
	if (number < sizeof statement->first_letters &&
		(is_word(word, length, "create") || is_word(word, length, "or") || is_word(word, length, "replace") ||
		 is_word(word, length, "function") || is_word(word, length, "procedure"))) {
		statement->first_letters[number] = (char)(word[0] | 0x20);
	}
	const char *letters = statement->first_letters;
	const char kind = letters[1] == 'o' && letters[2] == 'r' ? letters[3] : letters[1];
	if (letters[0] != 'c' || (kind != 'f' && kind != 'p') || statement->paren_depth > 0) {
		return;
	}
	if (is_word(word, length, "begin") || (statement->begin_depth > 0 && is_word(word, length, "case"))) {
		statement->begin_depth++;
	} else if (statement->begin_depth > 0 && is_word(word, length, "end")) {
		statement->begin_depth--;
	}
}

bool dump_statement_symbol(struct dump_statement *statement, char byte)
{
	switch (byte) {
	case '(':
		statement->paren_depth++;
		return false;
	case ')':
		statement->paren_depth -= statement->paren_depth > 0;
		return false;
	default:
		return byte == ';' && statement->paren_depth == 0 && statement->begin_depth == 0;
	}
}

bool dump_statement_copies(const struct dump_statement *statement)
{
	return statement->copy && statement->from_stdin;
}
