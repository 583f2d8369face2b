/* typed.c - a struct declared once travels from process to process; whoever has another layout is kept out. */
#include <plx/plx.h>
#include <stdio.h>
#include <unistd.h>

struct tick {
	uint64_t number;
	double price;
	char symbol[8];
};
PLX_TYPE(tick, struct tick, number, price, symbol);

static int publish(void)
{
	struct plx_publisher_options opt = { .slot_size = 4096, .type = plx_type_id(PLX_TYPE_OF(tick)) };
	struct tick t = { .price = 99.5, .symbol = "PLX" };
	struct plx_publisher *pub;

	if (plx_publisher_open(&pub, "typed", &opt) < 0 ||
	    plx_publisher_wait_subscribers(pub, 1, UINT64_MAX) < 0)
		return 1;
	for (t.number = 1; t.number <= 3; t.number++, t.price += 0.25)
		if (plx_publisher_send_as(pub, PLX_TYPE_OF(tick), &t) < 0)
			return 1;
	plx_publisher_end(pub, 0);
	if (plx_publisher_drain(pub, UINT64_MAX) < 0)
		return 1;
	plx_publisher_close(pub);
	return 0;
}

int main(void)
{
	struct plx_subscriber_options opt = { .type = plx_type_id(PLX_TYPE_OF(tick)) };
	struct plx_subscriber *sub;
	struct plx_buffer b;
	int ret;

	if (fork() == 0)
		return publish();
	if (plx_subscriber_open(&sub, "typed", &opt) < 0)
		return 1;
	while ((ret = plx_subscriber_take(sub, &b)) >= 0) {
		const struct tick *t = ret == 1 ? plx_view(&b, tick) : NULL;

		if (t)
			printf("%llu %s %.2f\n", (unsigned long long)t->number, t->symbol, t->price);
		if (ret == 1)
			plx_buffer_release(&b);
		else if (plx_subscriber_wait(sub, UINT64_MAX) < 0)
			break;
	}
	plx_subscriber_close(sub);
	return ret == -ESHUTDOWN ? 0 : 1;
}
