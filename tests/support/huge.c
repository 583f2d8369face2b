/* huge.c - huge pages set aside for a test, and given back. */
#include "tests/support/huge.h"

#include <fcntl.h>

#include "base/sys.h"
#include "tests/support/support.h"

static unsigned long number_in(int fd)
{
	char text[32] = { 0 };

	assert_true(plx_sys_read_at(fd, text, sizeof(text) - 1, 0) > 0);
	return strtoul(text, NULL, 10);
}

unsigned long huge_free(uint64_t page)
{
	char path[128];
	unsigned long n;
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%llukB/free_hugepages",
		 (unsigned long long)(page >> 10));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = number_in(fd);
	close(fd);
	return n;
}

static bool set_pages(const struct huge_reserve *r, unsigned long n)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%lu", n);

	return pwrite(r->fd, text, (size_t)len, 0) == len;
}

/* What a test that failed did not give back. */
static struct huge_reserve left = { .fd = -1 };

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
	assert_int_equal(number_in(r->fd), r->before);
	close(r->fd);
	left.fd = -1;
}

struct huge_reserve huge_set_aside(uint64_t page, unsigned long n)
{
	static bool registered;
	struct huge_reserve r;
	char path[128];

	give_back_what_is_left();
	if (!registered)
		registered = atexit(give_back_what_is_left) == 0;
	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%llukB/nr_hugepages",
		 (unsigned long long)(page >> 10));
	r.fd = open(path, O_RDWR | O_CLOEXEC);
	if (r.fd < 0)
		skip();
	while (plx_sys_lock(r.fd, true) < 0)
		sleep_ms(10);
	r.before = number_in(r.fd);
	left = r;
	if (!set_pages(&r, r.before - huge_free(page) + n) || huge_free(page) != n) {
		huge_give_back(&r);
		skip();
	}
	return r;
}
