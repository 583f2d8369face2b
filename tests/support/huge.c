/* huge.c - huge pages set aside for a test, and given back. */
#include "tests/support/huge.h"

#include <fcntl.h>

#include "base/sys.h"
#include "tests/support/support.h"

/* What a test that failed did not give back. */
static struct huge_reserve left = { .fd = -1 };

static int open_file(uint64_t page, const char *name, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%llukB/%s",
		 (unsigned long long)(page >> 10), name);
	return open(path, flags | O_CLOEXEC);
}

static unsigned long number(uint64_t page, const char *name)
{
	char text[32] = { 0 };
	int fd = open_file(page, name, O_RDONLY);

	if (fd >= 0) {
		(void)!plx_sys_read_at(fd, text, sizeof(text) - 1, 0);
		close(fd);
	}
	return strtoul(text, NULL, 10);
}

unsigned long huge_free(uint64_t page)
{
	return number(page, "free_hugepages");
}

/* Pages set aside. In the number that can be written, those count too that are used and go when they are free again. */
static unsigned long aside(uint64_t page)
{
	return number(page, "nr_hugepages") - number(page, "surplus_hugepages");
}

static bool set_pages(const struct huge_reserve *r, unsigned long n)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%lu", n);

	return pwrite(r->fd, text, (size_t)len, 0) == len;
}

static void give_back_what_is_left(void)
{
	if (left.fd < 0)
		return;
	(void)set_pages(&left, left.before);
	close(left.fd);
	left.fd = -1;
}

void huge_give_back(struct huge_reserve *r)
{
	assert_true(set_pages(r, r->before));
	assert_int_equal(aside(r->page), r->before);
	close(r->fd);
	left.fd = -1;
}

struct huge_reserve huge_set_aside(uint64_t page, unsigned long n)
{
	static bool registered;
	struct huge_reserve r = { .page = page };

	give_back_what_is_left();
	if (!registered)
		registered = atexit(give_back_what_is_left) == 0;
	r.fd = open_file(page, "nr_hugepages", O_RDWR);
	if (r.fd < 0)
		skip();
	while (plx_sys_lock(r.fd, true) < 0)
		sleep_ms(10);
	r.before = aside(page);
	left = r;
	if (!set_pages(&r, number(page, "nr_hugepages") - huge_free(page) + n) || huge_free(page) != n) {
		huge_give_back(&r);
		skip();
	}
	return r;
}
