/*
 * parse.c - sizes, counts and times as users write them.
 *
 * Strict: no sign, no white space, nothing behind the unit, no overflow; a number that was mistyped must not
 * become another one.
 */
#include "tools/cli/cli.h"

#include <errno.h>
#include <string.h>

/* The digits at *@text; moves behind them. */
static int digits(const char **text, uint64_t *value)
{
	const char *p = *text;
	uint64_t v = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return -ERANGE;
	if (p == *text)
		return -EINVAL;
	*text = p;
	*value = v;
	return 0;
}

int cli_count(const char *text, uint64_t low, uint64_t high, uint64_t *count)
{
	uint64_t value;
	int ret = digits(&text, &value);

	if (ret < 0)
		return ret;
	if (*text != '\0')
		return -EINVAL;
	if (value < low || value > high)
		return -ERANGE;
	*count = value;
	return 0;
}

int cli_size(const char *text, uint64_t low, uint64_t high, uint64_t *size)
{
	static const char units[] = "KMGT";
	const char *unit;
	uint64_t value;
	int ret = digits(&text, &value);

	if (ret < 0)
		return ret;
	unit = *text != '\0' ? strchr(units, *text >= 'a' && *text <= 'z' ? *text - 'a' + 'A' : *text) : NULL;
	if (unit) {
		if (__builtin_mul_overflow(value, UINT64_C(1) << (10 * (unit - units + 1)), &value))
			return -ERANGE;
		text++;
		if (*text == 'i')
			text++;
	}
	if (*text == 'B' && (unit == NULL || text[-1] != 'B'))
		text++;
	if (*text != '\0')
		return -EINVAL;
	if (value < low || value > high)
		return -ERANGE;
	*size = value;
	return 0;
}

int cli_time(const char *text, uint64_t *ns)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{ "", 1000000000 }, { "s", 1000000000 },  { "ms", 1000000 },
		{ "us", 1000 },     { "m", 60000000000 },
	};
	const uint64_t year = UINT64_C(366) * 24 * 3600 * 1000000000;
	uint64_t whole, part = 0, scale = 1, value;
	int ret = digits(&text, &whole);

	if (ret < 0)
		return ret;
	if (*text == '.') {
		for (text++; *text >= '0' && *text <= '9'; text++) {
			if (scale == 1000000000)
				continue; /* finer than a nanosecond */
			part = part * 10 + (uint64_t)(*text - '0');
			scale *= 10;
		}
		if (scale == 1)
			return -EINVAL;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text, units[i].name) != 0)
			continue;
		/* part < scale <= 10^9: the remainder fits */
		if (__builtin_mul_overflow(whole, units[i].ns, &value) || value > year)
			return -ERANGE;
		*ns = value + (uint64_t)((double)part / (double)scale * (double)units[i].ns);
		return 0;
	}
	return -EINVAL;
}

int cli_count_option(const char *name, const char *text, uint64_t low, uint64_t high, uint64_t *count)
{
	if (cli_count(text, low, high, count) < 0)
		return cli_usage_error("%s %s: a number from %llu to %llu is wanted", name, text,
				       (unsigned long long)low, (unsigned long long)high);
	return -1;
}

int cli_count_option32(const char *name, const char *text, uint32_t low, uint32_t high, uint32_t *count)
{
	uint64_t n = 0;
	const int code = cli_count_option(name, text, low, high, &n);

	*count = (uint32_t)n;
	return code;
}

int cli_time_option(const char *name, const char *text, uint64_t *ns)
{
	if (cli_time(text, ns) < 0)
		return cli_usage_error("%s %s: a time is wanted, like 2, 0.5, 250ms or 1m", name, text);
	return -1;
}

const char *cli_human(double bytes, char text[CLI_HUMAN])
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	size_t unit = 0;

	while (bytes >= 1024 && unit + 1 < sizeof(names) / sizeof(names[0])) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, CLI_HUMAN,
		 unit == 0 || bytes >= 100 ? "%.0f %s"
		 : bytes >= 10             ? "%.1f %s"
					   : "%.2f %s",
		 bytes, names[unit]);
	return text;
}
