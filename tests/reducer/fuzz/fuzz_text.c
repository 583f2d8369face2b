/*
 * fuzz_text.c - any bytes as a program: parsed, checked, run for a while, printed.
 *
 * libFuzzer's entry (make fuzz; text.dict has its words); test_fuzz_text.c calls it too, for seconds, always in the same way.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reducer/text/text.h"
#include "tests/fuzz/fuzz.h"
#include "tests/reducer/support/reference.h"

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz_text: %s\n", what);
	abort();
}

/* A message that a user could be shown: one line of text, at a place inside of the program. */
static void check_error(const struct text_error *error, const char *text, size_t size)
{
	uint32_t lines = 1;

	for (size_t i = 0; i < size; i++)
		lines += text[i] == '\n';
	must(error->what[0] != 0 && memchr(error->what, 0, sizeof(error->what)), "no message");
	must(error->where.line <= lines, "a line beyond the end");
	must(!error->where.line == !error->where.column, "half a place");
	for (const char *c = error->what; *c; c++)
		must((unsigned char)*c >= ' ', "a control character in a message");
}

static void check_program(const struct book *book)
{
	struct reference ref;
	const char *why;

	must(book_check(book, book->size, &why) == 0, "a book that its own checker refuses");
	for (uint32_t id = 0; id < book->defs; id++)
		must(book_find(book, book_name(book, id)) == id, "a definition that is not found");
	reference_init(&ref, book);
	ref.gas = 300;
	if (reference_run(&ref) == 0) {
		char *text = reference_text(&ref);

		must(text || errno == ELOOP, "a result that cannot be printed");
		free(text);
	}
	reference_fini(&ref);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text_error error;
	struct book *book;
	int ret = text_parse((const char *)data, size, &book, &error);

	must(ret == 0 || ret == -EBADMSG, "neither a book nor an error");
	must((ret == 0) == (book != NULL), "a book with an error, or none without");
	if (ret == 0)
		check_program(book);
	else
		check_error(&error, (const char *)data, size);
	free(book);
	return 0;
}
