/*
 * test_book.c - a book that was written by somebody else: either the checker finds what is wrong, or it can be used.
 */
#include <errno.h>
#include <string.h>

#include "reducer/net/num.h"
#include "reducer/text/text.h"
#include "tests/reducer/support/reference.h"
#include "tests/support/support.h"

static const char program[] = "@main = (r #2{$([+1] s) ?((* @id) *)}) & @f ~ (3 {r s}) & @id ~ (* [u24])\n"
			      "@f = (?((0 @g) a) a)\n"
			      "@g = ({a b} #1(c d)) & @f ~ (a c) & 1.5 ~ $(b d)\n"
			      "@id = (x x)\n";

static struct book *make_book(void)
{
	struct text_error error;
	struct book *book;
	const char *why;

	if (text_parse(program, strlen(program), &book, &error) < 0)
		fail_msg("%u:%u: %s", error.where.line, error.where.column, error.what);
	assert_int_equal(book_check(book, book->size, &why), 0);
	return book;
}

/* Go through all that a book offers; what it means does not matter here. */
static void use(const struct book *book)
{
	struct reference ref;

	assert_int_equal(book_find(book, "main"), BOOK_MAIN);
	reference_init(&ref, book);
	ref.gas = 200;
	ref.clone_unsafe = true;
	if (reference_run(&ref) == 0) {
		char *text = reference_text(&ref);

		free(text);
	}
	reference_fini(&ref);
	for (uint32_t id = 0; id < book->defs; id++)
		for (uint32_t label = 0; label < 4; label++)
			(void)book_ref_rule(book, id, port_make(TAG_DUP, label, 0));
}

static void check_refused(struct book *book, const char *what)
{
	const char *why = NULL;

	if (book_check(book, book->size, &why) != -EBADMSG)
		fail_msg("not refused: %s", what);
	assert_non_null(why);
}

static void a_book_larger_than_its_space_is_refused(void **state)
{
	struct book *book = make_book();
	const char *why;

	(void)state;
	for (uint64_t size = 0; size < book->size; size++) {
		void *copy = malloc(size ? size : 1);

		memcpy(copy, book, size);
		assert_int_equal(book_check(copy, size, &why), -EBADMSG);
		free(copy);
	}
	free(book);
}

static void every_lie_in_a_word_is_found_or_harmless(void **state)
{
	static const uint64_t lies[] = {
		0, 1, 2, 3, 15, 16, 255, 0x7fffffff, 0xffffffff, UINT64_MAX, UINT64_MAX / 2
	};
	struct book *good = make_book(), *bad = malloc(good->size);
	const char *why;
	int found = 0, harmless = 0;

	(void)state;
	for (uint64_t at = 0; at + 4 <= good->size; at += 4)
		for (size_t i = 0; i < COUNT_OF(lies) * 4; i++) {
			uint64_t word, lie = lies[i / 4];

			memcpy(bad, good, good->size);
			memcpy(&word, (char *)bad + at, 4);
			word = i % 4 == 0   ? lie
			       : i % 4 == 1 ? word + lie
			       : i % 4 == 2 ? word ^ lie
					    : word - lie;
			memcpy((char *)bad + at, &word, 4);
			if (book_check(bad, good->size, &why) < 0) {
				found++;
			} else {
				harmless++;
				use(bad);
			}
		}
	assert_true(found > harmless);
	free(bad);
	free(good);
}

static void any_two_ports_exchanged_is_found_or_harmless(void **state)
{
	struct book *book = make_book();
	port *ports = (port *)((char *)book + book->pairs_off);
	const char *why;

	(void)state;
	for (uint64_t i = 0; i < book->pairs * 2; i++)
		for (uint64_t j = 0; j < i; j++) {
			port keep[2] = { ports[i], ports[j] };

			ports[i] = keep[1];
			ports[j] = keep[0];
			if (book_check(book, book->size, &why) == 0)
				use(book);
			ports[i] = keep[0];
			ports[j] = keep[1];
		}
	free(book);
}

static void each_promise_is_checked(void **state)
{
	struct book *book = make_book();
	struct book_def *main_def = (struct book_def *)book_def(book, BOOK_MAIN);
	struct pair *node = (struct pair *)((char *)book + book->pairs_off);
	char *names = (char *)book + book->names_off;

	(void)state;
#define LIE(place, value, what)                                                                              \
	do {                                                                                                 \
		__typeof__(place) keep = (place);                                                            \
		(place) = (value);                                                                           \
		check_refused(book, what);                                                                   \
		(place) = keep;                                                                              \
	} while (0)
	LIE(book->magic, 0, "magic");
	LIE(book->defs, 0, "no definitions");
	LIE(book->defs, book->defs + 1, "one definition too many");
	LIE(book->vars_max, book->vars_max + 1, "vars_max");
	LIE(book->nodes_max, UINT32_MAX, "nodes_max");
	LIE(book->set_words, 0, "no words");
	LIE(book->labels, UINT32_MAX, "labels");
	LIE(main_def->safe, 2, "safe");
	LIE(main_def->vars, main_def->vars + 1, "an unused variable");
	LIE(main_def->vars, main_def->vars - 1, "a variable too far");
	LIE(main_def->nodes, main_def->nodes + 1, "an unused node");
	LIE(main_def->root, port_make(TAG_CON, 0, main_def->nodes), "a node too far");
	LIE(main_def->root, port_ref(book->defs), "a reference too far");
	LIE(main_def->root, PORT_ERA | 1u << 4, "an eraser with a label");
	LIE(main_def->root, port_make(9, 0, 0), "an unknown tag");
	LIE(main_def->root, num_make(23, 0), "an unknown type of number");
	LIE(main_def->root, num_make(NUM_SYM, 0), "an unknown operator");
	LIE(main_def->root, num_make(NUM_U24, 1 << 24), "a number of 25 bits");
	LIE(main_def->root, node[0].a, "a variable three times, and a node that hangs nowhere");
	LIE(node[0].b, port_make(TAG_CON, 0, 0), "a node that hangs on itself");
	LIE(node[1].a, port_make(TAG_OPR, 1, 2), "an operator with a label");
	LIE(names[0], 'n', "no main");
	LIE(names[book->names - 1], 'x', "a name that does not end");
#undef LIE
	use(book);
	free(book);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_book_larger_than_its_space_is_refused),
		cmocka_unit_test(every_lie_in_a_word_is_found_or_harmless),
		cmocka_unit_test(any_two_ports_exchanged_is_found_or_harmless),
		cmocka_unit_test(each_promise_is_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
