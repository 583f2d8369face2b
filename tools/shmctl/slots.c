/*
 * slots.c - sets of slots: which are in what state, written as ranges or drawn as a picture.
 *
 * Up to 4096 slots each has its own letter. Beyond that a letter stands for 2, 4, 8 ... slots and shows the one that
 * is held hardest: L, then P, W, - and last the free ones. Rows like the one before them are drawn as one star.
 */
#include "tools/shmctl/shmctl.h"

#include <stdlib.h>
#include <string.h>

#define CELLS_MAX 4096u
#define LABEL     9u /* "%8u " */

static const struct state {
	char letter;
	enum ctl_colour colour;
	const char *name, *meaning;
} states[] = {
	{ PLX_SLOT_LOANED, YELLOW, "loaned", "its publisher writes into it" },
	{ PLX_SLOT_PINNED, RED, "pinned", "left the log, a subscriber keeps it" },
	{ PLX_SLOT_WINDOW, CYAN, "window", "the log still shows it" },
	{ PLX_SLOT_RETURNS, BLUE, "returns", "left the log, to be taken back" },
	{ PLX_SLOT_FREE, DIM, "free", "" },
};
#define STATES (sizeof(states) / sizeof(states[0]))

roaring_bitmap_t *ctl_slots_in(const struct plx_topic_view *topic, char state)
{
	roaring_bitmap_t *set = ctl_memory(roaring_bitmap_create());

	for (uint32_t slot = 0; slot < topic->slots; slot++) {
		uint32_t from = slot;

		while (slot < topic->slots && topic->slot_state[slot] == state)
			slot++;
		if (slot > from)
			roaring_bitmap_add_range(set, from, slot);
	}
	return set;
}

roaring_bitmap_t *ctl_slots_pinned(const struct plx_link_view *link)
{
	roaring_bitmap_t *set = ctl_memory(roaring_bitmap_create());

	for (uint32_t slot = 0; slot < link->slots; slot++) {
		if (link->pinned[slot])
			roaring_bitmap_add(set, slot);
	}
	return set;
}

char *ctl_ranges(const roaring_bitmap_t *set, unsigned int most)
{
	roaring_uint32_iterator_t it;
	unsigned int ranges = 0, more = 0;
	size_t size = 0;
	char *text = NULL;
	FILE *out = ctl_memory(open_memstream(&text, &size));

	roaring_init_iterator(set, &it);
	while (it.has_value) {
		uint32_t from = it.current_value, to = from;

		while (roaring_advance_uint32_iterator(&it) && it.current_value == to + 1)
			to++;
		if (ranges == most) {
			more++;
			continue;
		}
		fprintf(out, "%s%u", ranges++ ? ", " : "", from);
		if (to > from)
			fprintf(out, "-%u", to);
	}
	if (more)
		fprintf(out, ", and %u more", more);
	fclose(out);
	return ctl_memory(text);
}

/* The hardest state among slots [from, to). */
static const struct state *hardest(const struct plx_topic_view *topic, uint32_t from, uint32_t to)
{
	for (size_t i = 0; i < STATES - 1; i++) {
		if (memchr(topic->slot_state + from, states[i].letter, to - from))
			return &states[i];
	}
	return &states[STATES - 1];
}

static uint32_t slots_per_cell(uint32_t slots)
{
	uint32_t each = 1;

	while ((slots + each - 1) / each > CELLS_MAX)
		each *= 2;
	return each;
}

static uint32_t cells_per_row(unsigned int width)
{
	unsigned int room = width > LABEL + 8 ? width - LABEL : 8;

	if (room > 128)
		room = 128;
	return room / 8 * 8;
}

/* A row; the colour is switched only where it changes. */
static void draw_row(const struct ctl_request *request, const struct plx_topic_view *topic, uint64_t from,
		     uint32_t cells, uint32_t each)
{
	enum ctl_colour now = PLAIN;

	fprintf(request->out, "%8u ", (unsigned int)from);
	for (uint32_t i = 0; i < cells && from < topic->slots; i++, from += each) {
		uint64_t to = from + each < topic->slots ? from + each : topic->slots;
		const struct state *state = hardest(topic, (uint32_t)from, (uint32_t)to);

		if (state->colour != now)
			fprintf(request->out, "%s%s", ctl_paint(request, PLAIN),
				ctl_paint(request, state->colour));
		now = state->colour;
		fputc(state->letter, request->out);
	}
	fprintf(request->out, "%s\n", ctl_paint(request, PLAIN));
}

static void draw_legend(const struct ctl_request *request, const struct plx_topic_view *topic, uint32_t each)
{
	fprintf(request->out, "  slots");
	if (each > 1)
		fprintf(request->out, "  (a letter is %u slots, the hardest held shows)", each);
	fputc('\n', request->out);
	for (size_t i = 0; i < STATES; i++) {
		roaring_bitmap_t *set = ctl_slots_in(topic, states[i].letter);
		uint64_t count = roaring_bitmap_get_cardinality(set);

		if (count > 0) {
			char *ranges = states[i].letter == PLX_SLOT_FREE ? NULL : ctl_ranges(set, 8);

			fprintf(request->out, "    %s%c%s %-7s %8llu%s%s%s%s\n",
				ctl_paint(request, states[i].colour), states[i].letter,
				ctl_paint(request, PLAIN), states[i].name, (unsigned long long)count,
				states[i].meaning[0] ? "  " : "", states[i].meaning, ranges ? ": " : "",
				ranges ? ranges : "");
			free(ranges);
		}
		roaring_bitmap_free(set);
	}
}

/* Are the @slots from @from on in the same states as the @slots before? */
static bool repeats(const struct plx_topic_view *topic, uint64_t from, uint64_t slots)
{
	return from >= slots && from + slots <= topic->slots &&
	       memcmp(topic->slot_state + from, topic->slot_state + from - slots, slots) == 0;
}

void ctl_picture(const struct ctl_request *request, const struct plx_topic_view *topic)
{
	uint32_t each = slots_per_cell(topic->slots), cells = cells_per_row(request->width);
	uint64_t row = (uint64_t)cells * each;
	bool starred = false;

	draw_legend(request, topic, each);
	for (uint64_t from = 0; from < topic->slots; from += row) {
		/* rows like the one before become a star; the last one is always drawn, so that the end shows */
		bool star = repeats(topic, from, row) && from + row < topic->slots;

		if (!star)
			draw_row(request, topic, from, cells, each);
		else if (!starred)
			fputs("       *\n", request->out);
		starred = star;
	}
}
