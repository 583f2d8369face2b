/*
 * test_fuzz_text.c - what libFuzzer would do with fuzz_text.c, for seconds, and the same each time: programs with some bytes
 * changed, tokens put in, parts left out or doubled, two joined.
 *
 *	test_fuzz_text --seeds FOLDER    writes some programs, for make fuzz
 */
#include "tests/reducer/fuzz/fuzz_text.c"

#include "tests/reducer/support/random.h"
#include "tests/support/support.h"

static const char *const tokens[] = { "@main = ", "@f000 = ", "@f001",
				      " & ",      " &! ",     " ~ ",
				      "#1(",      "#2{",      "#65535(",
				      "$(",       "?(",       "(* *)",
				      "{* *}",    "[+]",      "[:-",
				      "[<<",      "[u24]",    "[f24]",
				      "0x",       "0b1",      "+inf",
				      "-NaN",     "1.5e-3",   "16777215",
				      "//",       "\n",       "\r\n",
				      "\t",       "\xff",     "\xc3\xa9",
				      "x",        "a",        ")",
				      "}",        "]",        "*",
				      "-",        "+",        "99999999999999999999" };

static uint64_t state_of_dice = 1;

static size_t below(size_t n)
{
	state_of_dice ^= state_of_dice << 13;
	state_of_dice ^= state_of_dice >> 7;
	state_of_dice ^= state_of_dice << 17;
	return n ? (size_t)(state_of_dice >> 11) % n : 0;
}

/* Replace text[from ... from + cut) by @with. */
static size_t splice(char *text, size_t length, size_t max, size_t from, size_t cut, const char *with,
		     size_t put)
{
	if (length - cut + put > max)
		return length;
	memmove(text + from + put, text + from + cut, length - from - cut);
	memcpy(text + from, with, put);
	return length - cut + put;
}

static size_t mutate(char *text, size_t length, size_t max)
{
	size_t from = below(length + 1), cut = below(length - from < 12 ? length - from + 1 : 12);
	const char *token = tokens[below(COUNT_OF(tokens))];
	char part[256];
	char byte = (char)below(256);
	size_t n;

	switch (below(6)) {
	case 0: return splice(text, length, max, from, 0, token, strlen(token));
	case 1: return splice(text, length, max, from, cut, token, strlen(token));
	case 2: return splice(text, length, max, from, cut, "", 0);
	case 3: return splice(text, length, max, from, 0, &byte, 1);
	case 4: return splice(text, length, max, from, length > from, &byte, 1);
	default: /* a part once more, somewhere else */
		n = below(length - from < sizeof(part) ? length - from + 1 : sizeof(part));
		memcpy(part, text + from, n);
		return splice(text, length, max, below(length + 1), 0, part, n);
	}
}

static void programs_with_damage_are_books_or_errors(void **state)
{
	enum { MAX = 4000 };
	int books = 0, rounds = LONG_LOOP(30000);

	(void)state;
	for (int i = 0; i < rounds; i++) {
		static char text[MAX];
		char *program = random_program(1 + below(5000), 1 + (uint32_t)below(60)), *exact;
		size_t length = strlen(program) < MAX ? strlen(program) : MAX;
		struct text_error error;
		struct book *book;

		memcpy(text, program, length);
		free(program);
		for (size_t n = below(4); n > 0; n--)
			length = mutate(text, length, MAX);
		exact = malloc(length + !length); /* a byte beyond is seen by AddressSanitizer */
		memcpy(exact, text, length);
		LLVMFuzzerTestOneInput((const uint8_t *)exact, length);
		books += text_parse(exact, length, &book, &error) == 0;
		free(book);
		free(exact);
	}
	assert_true(books > rounds / 10 && books < rounds * 9 / 10);
}

static void bytes_without_sense_are_errors(void **state)
{
	(void)state;
	for (int i = 0; i < LONG_LOOP(30000); i++) {
		uint8_t bytes[64];
		size_t length = below(sizeof(bytes));

		for (size_t n = 0; n < length; n++)
			bytes[n] = (uint8_t)below(i % 2 ? 256 : 128);
		LLVMFuzzerTestOneInput(bytes, length);
	}
}

static int seeds_write(const char *folder)
{
	char path[4096];

	for (unsigned int i = 0; i < 60; i++) {
		char *program = random_program(i, 1 + i);
		FILE *file;

		snprintf(path, sizeof(path), "%s/seed-%02u", folder, i);
		file = fopen(path, "we");
		if (!file || fputs(program, file) < 0 || fclose(file) != 0) {
			perror(path);
			return 1;
		}
		free(program);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_with_damage_are_books_or_errors),
		cmocka_unit_test(bytes_without_sense_are_errors),
	};

	if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
		return seeds_write(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
