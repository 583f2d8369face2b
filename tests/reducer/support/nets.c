/*
 * nets.c - reduce programs with the real reducer.
 */
#include "tests/reducer/support/nets.h"

#include <stdlib.h>
#include <string.h>

#include "reducer/text/text.h"
#include "tests/support/support.h"

struct net_options nets_options(uint32_t workers, uint32_t ring, bool threads)
{
	return (struct net_options){
		.workers = workers,
		.memory_max = 1ull << 30,
		.ring = ring,
		.threads = threads || getenv("PLX_NET_THREADS"),
		.tick = getenv("PLX_NET_TICK") ? (uint32_t)atoi(getenv("PLX_NET_TICK")) : 0,
		.scatter = getenv("PLX_NET_SCATTER") != NULL,
		.plain = getenv("PLX_NET_PLAIN") != NULL,
		.warm = 1, /* all that can be fused is, at once */
		.name = "test",
	};
}

struct book *nets_book(const char *program, size_t length)
{
	struct text_error error;
	struct book *book;
	int ret = text_parse(program, length, &book, &error);

	if (ret < 0)
		fail_msg("%u:%u: %s in %.200s", error.where.line, error.where.column, error.what, program);
	return book;
}

struct text {
	char *bytes;
	size_t length, max;
};

static int put(void *to, const char *bytes, size_t length)
{
	struct text *text = to;

	if (text->length + length + 1 > text->max) {
		text->max = 2 * (text->length + length + 1);
		text->bytes = realloc(text->bytes, text->max);
		if (!text->bytes)
			abort();
	}
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	text->bytes[text->length] = 0;
	return 0;
}

char *nets_text(const struct net *net)
{
	struct text_source source;
	struct text text = { NULL, 0, 0 };
	int ret;

	net_source(net, &source);
	ret = text_print(&source, net_root(net), put, &text);
	if (ret < 0)
		fail_msg("the normal form cannot be printed: %s", strerror(-ret));
	return text.bytes;
}

char *nets_run(struct net *net, const struct book *book, const struct net_limits *limits,
	       struct net_result *result)
{
	const char *why;
	int ret = net_start(net, book, limits);

	if (ret < 0)
		fail_msg("net_start: %s", strerror(-ret));
	ret = net_wait(net, 60000000000u, result);
	if (ret < 0)
		fail_msg("net_wait: %s", strerror(-ret));
	ret = net_check(net, &why);
	if (ret < 0)
		fail_msg("net_check: %s (%s)", why ? why : "", strerror(-ret));
	return result->status == NET_DONE ? nets_text(net) : NULL;
}

char *nets_wide(uint32_t depth)
{
	char *text = NULL;

	if (asprintf(&text,
		     "@main = r & @wide ~ (%u r)\n"
		     "@wide = (?((1 @wide-more) r) r)\n"
		     "@wide-more = ({a b} r) & @wide ~ (a $([+] $(x r))) & @wide ~ (b x)\n",
		     depth) < 0)
		abort();
	return text;
}

char *nets_loop(uint32_t turns)
{
	char *text = NULL;

	if (asprintf(&text,
		     "@main = r & @turn ~ (%u (7 r))\n"
		     "@turn = (?(((x x) @turn-more) a) a)\n"
		     "@turn-more = (n ($([+1] x) r)) & @turn ~ (n (x r))\n",
		     turns) < 0)
		abort();
	return text;
}
