/* test_inspect.c - what tools see of topics and links, and that everything that can be wrong with them is found. */
#include "tests/libshm/topic/topic_made.h"

#include <errno.h>
#include <plx/table.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/atomic.h"
#include "topic/look.h"

/* ---- views ---- */

static void slots_are_shown_in_the_state_they_are_in(void **state)
{
	struct made made = make_topic("robot/arm", 8, 10);
	struct made_link link = make_link(&made);
	struct plx_follower follower = { .link = link.link, .pins = link.pins, .quota = 4, .reliable = true };
	struct plx_segment copy;
	struct plx_topic_view view;
	struct plx_link_view reader;

	(void)state;
	assert_int_equal(plx_writer_follow(&made.writer, &follower), 0);
	for (int i = 0; i < 4; i++)
		made_put(&made, 10); /* slots 0 to 3 */
	assert_int_equal(plx_writer_claim(&made.writer), 4);
	link.pins[0] = 2; /* keeps slot 1 */
	link.link->cursor = 3;
	plx_writer_look(&made.writer); /* 0 and 2 come free, 1 does not, 3 is unread */
	link.pins[0] = 2;
	made.head->subscribers = 1;

	copy = look_at(&made.seg);
	assert_int_equal(plx_inspect_topic(&copy, &view), 0);
	assert_string_equal(view.slot_state, ".-.WL.....");
	assert_int_equal(view.slots_free, 7);
	assert_int_equal(view.slots_loaned, 1);
	assert_int_equal(view.slots_window, 1);
	assert_int_equal(view.slots_pinned, 0);
	assert_string_equal(view.topic, "robot/arm");
	assert_int_equal(view.head, 4);
	assert_true(plx_inspect_has_message(&copy, 3));
	assert_false(plx_inspect_has_message(&copy, 4));
	assert_int_equal(view.tail, 3);
	assert_int_equal(view.bytes, 40);
	assert_int_equal(view.publisher, getpid());
	assert_int_equal(view.subscribers, 1);
	assert_true(view.id == made.info.id);
	plx_segment_close(&copy);

	copy = look_at(&link.seg);
	assert_int_equal(plx_inspect_link(&copy, &reader), 0);
	assert_true(reader.publisher_id == view.id);
	assert_int_equal(reader.cursor, 3);
	assert_int_equal(reader.pins, 1);
	assert_true(reader.pinned[1]);
	plx_inspect_pins(&view, &reader);
	assert_string_equal(view.slot_state, ".P.WL.....");
	assert_int_equal(view.slots_pinned, 1);

	plx_inspect_link_free(&reader);
	plx_inspect_topic_free(&view);
	plx_segment_close(&copy);
	plx_segment_close(&link.seg);
	made_close(&made);
}

static void a_topic_is_no_link_and_a_link_no_topic(void **state)
{
	struct made made = make_topic("t", 8, 10);
	struct made_link link = make_link(&made);
	struct plx_topic_view topic;
	struct plx_link_view reader;
	const char *why = NULL;

	(void)state;
	assert_int_equal(plx_inspect_topic(&link.seg, &topic), -EPROTO);
	assert_int_equal(plx_inspect_link(&made.seg, &reader), -EPROTO);
	plx_inspect_topic_free(&topic);
	plx_inspect_link_free(&reader);
	assert_int_equal(plx_inspect_check(&made.seg, &why), 0);
	assert_int_equal(plx_inspect_check(&link.seg, &why), 0);
	plx_segment_close(&link.seg);
	made_close(&made);
}

/* ---- what is wrong is found ---- */

static void must_be_broken(const struct made *made, const char *want)
{
	struct plx_segment copy = look_at(&made->seg);
	const char *why = NULL;

	assert_int_equal(plx_inspect_check(&copy, &why), -EBADMSG);
	assert_string_equal(why, want);
	plx_segment_close(&copy);
}

static void must_be_sound(const struct made *made)
{
	struct plx_segment copy = look_at(&made->seg);
	const char *why = "";

	if (plx_inspect_check(&copy, &why) != 0)
		fail_msg("%s", why);
	plx_segment_close(&copy);
}

static void each_broken_invariant_of_a_topic_is_found(void **state)
{
	struct made made = make_topic("t", 8, 70);
	struct plx_entry entry;

	(void)state;
	for (int i = 0; i < 13; i++) /* the window: 8 messages, 5 to 12, in entries 5 6 7 0 ... */
		made_put(&made, 10);
	must_be_sound(&made);

	made.head->depth = 7;
	must_be_broken(&made, "topic: depth is not a power of two in range");
	made.head->depth = UINT32_MAX;
	must_be_broken(&made, "topic: depth is not a power of two in range");
	made.head->depth = 16;
	must_be_broken(&made, "topic: the log is smaller than depth");
	made.head->depth = 8;
	made.head->slots = UINT32_MAX;
	must_be_broken(&made, "topic: number of slots out of range");
	made.head->slots = 1 << 20;
	must_be_broken(&made, "topic: the bitmaps are smaller than slots");
	made.head->slots = 70;
	made.head->head += 9;
	must_be_broken(&made, "topic: tail and head are not a window");
	made.head->head = made.head->tail - 1;
	must_be_broken(&made, "topic: tail and head are not a window");
	made.head->head = 13;
	made.head->attention |= PLX_ATTENTION_ENDED;
	made.head->end_position = 12;
	must_be_broken(&made, "topic: ended somewhere else than at head");
	made.head->end_position = 13;
	must_be_sound(&made);
	made.head->attention = 0;

	entry = made.log[12 & 7];
	made.log[12 & 7].sequence = 5;
	must_be_broken(&made, "topic: an entry of the window has another sequence");
	made.log[12 & 7] = entry;
	made.log[12 & 7].place = UINT64_C(10) << 32 | 70;
	must_be_broken(&made, "topic: an entry names a slot that does not exist");
	made.log[12 & 7].place = UINT64_C(65) << 32 | (uint32_t)entry.place;
	must_be_broken(&made, "topic: a payload is longer than a slot");
	made.log[12 & 7].place = UINT64_C(41) << 32 | PLX_SLOT_NONE;
	must_be_broken(&made, "topic: a payload is longer than an entry");
	made.log[12 & 7].place = made.log[11 & 7].place;
	must_be_broken(&made, "topic: a slot is in the window twice");
	made.log[12 & 7] = entry;

	made.bitmap[(uint32_t)entry.place / 64] ^= UINT64_C(1) << ((uint32_t)entry.place % 64);
	must_be_broken(&made, "topic: a slot of the window is free");
	made.bitmap[(uint32_t)entry.place / 64] ^= UINT64_C(1) << ((uint32_t)entry.place % 64);
	made.bitmap[8 + (uint32_t)entry.place / 64] ^= UINT64_C(1) << ((uint32_t)entry.place % 64);
	must_be_broken(&made, "topic: a slot of the window is kept");
	made.bitmap[8 + (uint32_t)entry.place / 64] ^= UINT64_C(1) << ((uint32_t)entry.place % 64);
	made.bitmap[8 + 1] ^= UINT64_C(1) << 5; /* slot 69, which is free */
	must_be_broken(&made, "topic: a slot is free and kept");
	made.bitmap[8 + 1] ^= UINT64_C(1) << 5;
	made.bitmap[1] ^= UINT64_C(1) << 6; /* slot 70 */
	must_be_broken(&made, "topic: a bitmap has bits beyond the last slot");
	made.bitmap[1] ^= UINT64_C(1) << 6;
	must_be_sound(&made);
	made_close(&made);
}

static void each_broken_invariant_of_a_link_is_found(void **state)
{
	struct made made = make_topic("t", 8, 70);
	struct made_link link = make_link(&made);
	const char *why = NULL;

	(void)state;
	link.link->start = 5;
	link.link->cursor = 4;
	assert_int_equal(plx_inspect_check(&link.seg, &why), -EBADMSG);
	assert_string_equal(why, "link: the cursor is before its start");
	link.link->cursor = 5;
	link.link->reading = 2;
	assert_int_equal(plx_inspect_check(&link.seg, &why), -EBADMSG);
	assert_string_equal(why, "link: neither reliable nor lossy");
	link.link->reading = PLX_READ_LOSSY;
	link.link->slots = UINT32_MAX;
	assert_int_equal(plx_inspect_check(&link.seg, &why), -EBADMSG);
	assert_string_equal(why, "link: pins do not fit their block");
	link.link->slots = 70;
	link.pins[1] = UINT64_C(1) << 6;
	assert_int_equal(plx_inspect_check(&link.seg, &why), -EBADMSG);
	assert_string_equal(why, "link: a pin beyond the last slot");
	link.pins[1] = 0x3f;
	assert_int_equal(plx_inspect_check(&link.seg, &why), -EBADMSG);
	assert_string_equal(why, "link: more pins than the quota");
	link.pins[1] = 0xf;
	assert_int_equal(plx_inspect_check(&link.seg, &why), 0);
	plx_segment_close(&link.seg);
	made_close(&made);
}

static void a_damaged_table_is_found(void **state)
{
	const struct plx_column columns[] = { { "redexes", PLX_COLUMN_GAUGE, NULL },
					      { "pid", PLX_COLUMN_PID, NULL } };
	const struct plx_block blocks[] = { { "workers", plx_table_size(3, 2), 0 }, { "other", 100, 0 } };
	struct plx_segment seg, copy;
	struct plx_table table;
	const char *why = NULL;
	uint64_t size;
	void *block;

	(void)state;
	assert_int_equal(plx_segment_create(&seg, "memfd", "net", plx_segment_need(blocks, 2), 0), 0);
	assert_int_equal(plx_segment_format(&seg, PLX_KIND_NET, 1, "net", blocks, 2), 0);
	block = plx_segment_block(&seg, "workers", &size);
	assert_int_equal(plx_table_init(&table, block, size, "worker", columns, 2, 3), 0);
	copy = look_at(&seg);
	assert_int_equal(plx_inspect_check(&copy, &why), 0);
	plx_segment_close(&copy);
	memset((char *)block + 128, 0x1b,
	       16); /* the name of the first column: no end, and a terminal would obey it */
	copy = look_at(&seg);
	if (plx_table_attach(&table, plx_segment_block(&copy, "workers", NULL), size) == 0)
		assert_int_equal(plx_inspect_check(&copy, &why), -EBADMSG);
	plx_segment_close(&copy);
	plx_segment_close(&seg);
}

/* ---- a publisher that works on is sound at any moment ---- */

struct busy {
	struct made made;
	struct plx_link link;
	uint64_t pins[128]; /* as many words as the largest of these topics needs */
	struct plx_follower follower;
	atomic_bool stop;
	uint64_t messages;
};

/* Publishes from slots and inline, follows a reader that keeps some, as fast as it can. */
static void *work(void *arg)
{
	struct busy *busy = arg;
	struct plx_writer *writer = &busy->made.writer;
	uint64_t n = 0;

	while (!atomic_load_explicit(&busy->stop, memory_order_relaxed)) {
		uint32_t slot = plx_writer_claim(writer);

		if (!plx_writer_room(writer) || slot == PLX_SLOT_NONE)
			break;
		if (n % 3 == 0) {
			plx_writer_drop(writer, slot);
			plx_writer_put_inline(writer, "inline", 6, 0, 0);
		} else {
			plx_writer_put(writer, slot, 20, 0, 0);
		}
		if (++n % 4 == 0) {
			/* relaxed: one thread plays both sides */
			__atomic_store_n(&busy->pins[0], n & 0xf0, __ATOMIC_RELAXED);
			__atomic_store_n(&busy->link.cursor, writer->head->head - n % 3, __ATOMIC_RELAXED);
		}
	}
	busy->messages = n;
	return NULL;
}

/* Each single look is whole; only the two bitmaps may be of different moments. */
static void look_once(const struct plx_segment *copy)
{
	struct plx_look look;
	const char *why = "";

	assert_int_equal(plx_look_take(&look, copy, &why), 0);
	if (plx_log_check(&look.parts, &why) != 0)
		assert_string_equal(why, "topic: a slot is free and kept");
	plx_look_free(&look);
}

static void start_work(struct busy *busy, pthread_t *thread, uint32_t depth, uint32_t slots)
{
	*busy = (struct busy){ .made = make_topic("busy", depth, slots) };
	busy->follower = (struct plx_follower){
		.link = &busy->link, .pins = busy->pins, .quota = 8, .reliable = true
	};
	assert_int_equal(plx_writer_follow(&busy->made.writer, &busy->follower), 0);
	assert_int_equal(pthread_create(thread, NULL, work, busy), 0);
	while (plx_read_once(&busy->made.head->head) < 1000) /* it has begun */
		sleep_ms(1);
}

static void stop_work(struct busy *busy, pthread_t thread)
{
	atomic_store_explicit(&busy->stop, true, memory_order_relaxed);
	pthread_join(thread, NULL);
	made_close(&busy->made);
}

static void look_at_busy(uint32_t depth, uint32_t slots, int looks)
{
	static struct busy busy;
	struct plx_topic_view view;
	uint64_t last = 0;
	pthread_t thread;

	start_work(&busy, &thread, depth, slots);
	for (int i = 0; i < looks; i++) {
		struct plx_segment copy = look_at(&busy.made.seg);
		const char *why = "";

		look_once(&copy);
		if (plx_inspect_check(&copy, &why) != 0)
			fail_msg("look %d: %s", i, why);
		assert_int_equal(plx_inspect_topic(&copy, &view), 0);
		assert_true(view.head >= last);
		last = view.head;
		plx_inspect_topic_free(&view);
		plx_segment_close(&copy);
	}
	for (int i = 0; i < 5000 && plx_read_once(&busy.made.head->head) <= last; i++)
		sleep_ms(1); /* the machine may be busy too */
	stop_work(&busy, thread);
	assert_true(busy.messages > last); /* it never stopped by itself */
}

static void a_busy_publisher_is_sound_at_any_moment(void **state)
{
	(void)state;
	look_at_busy(64, 100, LONG_LOOP(400));
	look_at_busy(8, 1000, LONG_LOOP(100));
	look_at_busy(4096, 5000, LONG_LOOP(50));
}

/* A slot that is wrong all the time is found also in a publisher that never rests. */
static void what_is_broken_is_found_in_a_busy_publisher_too(void **state)
{
	static struct busy busy;
	const char *why = NULL;
	struct plx_segment copy;
	pthread_t thread;

	(void)state;
	start_work(&busy, &thread, 64, 1000);
	/* slot 960 is free, and never reached; relaxed: nobody else writes that word */
	__atomic_store_n(&busy.made.bitmap[16 + 15], 1, __ATOMIC_RELAXED);
	copy = look_at(&busy.made.seg);
	assert_int_equal(plx_inspect_check(&copy, &why), -EBADMSG);
	assert_string_equal(why, "topic: a slot is free and kept");
	plx_segment_close(&copy);
	stop_work(&busy, thread);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_shown_in_the_state_they_are_in),
		cmocka_unit_test(a_topic_is_no_link_and_a_link_no_topic),
		cmocka_unit_test(each_broken_invariant_of_a_topic_is_found),
		cmocka_unit_test(each_broken_invariant_of_a_link_is_found),
		cmocka_unit_test(a_damaged_table_is_found),
		cmocka_unit_test(a_busy_publisher_is_sound_at_any_moment),
		cmocka_unit_test(what_is_broken_is_found_in_a_busy_publisher_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
