/* test_slots.c - sets of slots as ranges and as a picture; foreign names made harmless; figures people can read. */
#include "tools/shmctl/shmctl.h"

#include <string.h>

#include "tests/support/support.h"

static void sets_are_written_as_ranges(void **state)
{
	roaring_bitmap_t *set = roaring_bitmap_create();
	char *text = ctl_ranges(set, 4);

	(void)state;
	assert_string_equal(text, "");
	free(text);
	roaring_bitmap_add(set, 0);
	roaring_bitmap_add_range(set, 3, 12);
	roaring_bitmap_add(set, 17);
	roaring_bitmap_add_range(set, 30, 32);
	text = ctl_ranges(set, 4);
	assert_string_equal(text, "0, 3-11, 17, 30-31");
	free(text);
	text = ctl_ranges(set, 2);
	assert_string_equal(text, "0, 3-11, and 2 more");
	free(text);
	roaring_bitmap_free(set);
}

/* What ctl_picture() draws for @slots slots, all free but where @marks says (slot, state, slot, state, ..., -1). */
static char *draw(uint32_t slots, unsigned int width, const int *marks)
{
	struct plx_topic_view view = { .slots = slots };
	struct ctl_request request = { .width = width };
	char *text = NULL;
	size_t size;

	view.slot_state = calloc(slots + 1, 1);
	memset(view.slot_state, PLX_SLOT_FREE, slots);
	for (; *marks >= 0; marks += 2)
		view.slot_state[marks[0]] = (char)marks[1];
	request.out = open_memstream(&text, &size);
	ctl_picture(&request, &view);
	fclose(request.out);
	free(view.slot_state);
	return text;
}

/* The rows alone: what follows the legend. */
static const char *rows_of(const char *picture)
{
	const char *rows = strstr(picture, "\n       0 ");

	assert_non_null(rows);
	return rows + 1;
}

static void a_picture_has_a_letter_for_each_slot(void **state)
{
	char *picture = draw(20, 20, (const int[]){ 0, 'L', 1, 'W', 2, 'W', 9, 'P', 17, '-', -1 });

	(void)state;
	assert_string_equal(rows_of(picture), "       0 LWW.....\n"
					      "       8 .P......\n"
					      "      16 .-..\n");
	assert_non_null(strstr(picture, "L loaned         1"));
	assert_non_null(strstr(picture, "W window         2  the log still shows it: 1-2\n"));
	assert_non_null(strstr(picture, ". free          15\n"));
	free(picture);
	picture = draw(1, 1, (const int[]){ -1 });
	assert_string_equal(rows_of(picture), "       0 .\n");
	assert_null(strchr(picture, 'L'));
	free(picture);
}

static void a_row_is_never_wider_than_the_terminal(void **state)
{
	(void)state;
	for (unsigned int width = 20; width < 300; width += 7) {
		char *picture = draw(5000, width, (const int[]){ 4999, 'L', -1 });
		const char *at = rows_of(picture);

		for (const char *end; (end = strchr(at, '\n')); at = end + 1)
			assert_true((size_t)(end - at) <= width);
		free(picture);
	}
}

static void many_slots_share_letters_and_the_hardest_held_shows(void **state)
{
	char *picture = draw(100000, 137, (const int[]){ 0, 'W', 1, 'L', 32, 'P', 33, 'W', 99999, '-', -1 });
	const char *rows = rows_of(picture), *last;

	(void)state;
	assert_non_null(strstr(picture, "a letter is 32 slots"));
	assert_memory_equal(rows, "       0 LP......", 17);
	last = strstr(rows, "   98304 "); /* 24 rows of 128 letters before it */
	assert_non_null(last);
	assert_int_equal(strlen(last), 9 + (100000 - 98304) / 32 + 1);
	assert_string_equal(picture + strlen(picture) - 2, "-\n");
	free(picture);
}

static void rows_that_repeat_become_a_star(void **state)
{
	char *picture = draw(60, 20, (const int[]){ 17, 'W', -1 });

	(void)state;
	assert_string_equal(rows_of(picture), "       0 ........\n"
					      "       *\n"
					      "      16 .W......\n"
					      "      24 ........\n"
					      "       *\n"
					      "      56 ....\n");
	free(picture);
	picture = draw(16, 20, (const int[]){ -1 });
	assert_string_equal(rows_of(picture), "       0 ........\n"
					      "       8 ........\n");
	free(picture);
}

static void foreign_names_cannot_command_a_terminal(void **state)
{
	char text[16];

	(void)state;
	assert_string_equal(ctl_clean("a\033[2J\007b\n\x7f\x9b", text, sizeof(text)), "a?[2J?b???");
	assert_string_equal(ctl_clean("0123456789abcdefghi", text, sizeof(text)), "0123456789abcde");
	assert_string_equal(ctl_clean("", text, sizeof(text)), "");
}

static void figures_are_short(void **state)
{
	char text[CTL_WORD];

	(void)state;
	assert_string_equal(ctl_bytes(0, text), "0 B");
	assert_string_equal(ctl_bytes(1023, text), "1023 B");
	assert_string_equal(ctl_bytes(1536, text), "1.5 KiB");
	assert_string_equal(ctl_bytes(UINT64_C(400) << 20, text), "400 MiB");
	assert_string_equal(ctl_bytes(UINT64_MAX, text), "16.0 EiB");
	assert_string_equal(ctl_age(1500000000, text), "1.5 s");
	assert_string_equal(ctl_age(UINT64_C(75000000000), text), "75 s");
	assert_string_equal(ctl_age(UINT64_C(600000000000), text), "10 min");
	assert_string_equal(ctl_age(UINT64_MAX, text), "213503 d");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_are_written_as_ranges),
		cmocka_unit_test(a_picture_has_a_letter_for_each_slot),
		cmocka_unit_test(a_row_is_never_wider_than_the_terminal),
		cmocka_unit_test(many_slots_share_letters_and_the_hardest_held_shows),
		cmocka_unit_test(rows_that_repeat_become_a_star),
		cmocka_unit_test(foreign_names_cannot_command_a_terminal),
		cmocka_unit_test(figures_are_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
