/*
 * cases.c - programs with known results.
 */
#include "tests/reducer/support/cases.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reducer/text/names.h"

static void cases_path(char *out, size_t size, const char *path)
{
	const char *folder = getenv("PLX_CASES");

	snprintf(out, size, "%s/%s", folder ? folder : "../shared/cases", path);
}

char *cases_file(const char *path, size_t *length)
{
	char full[4096];
	char *text = NULL;
	size_t max = 0, n;
	FILE *file;

	cases_path(full, sizeof(full), path);
	file = fopen(full, "rb");
	if (!file)
		return NULL;
	*length = 0;
	do {
		max = max ? max * 2 : 65536;
		text = realloc(text, max + 1);
		if (!text)
			abort();
		n = fread(text + *length, 1, max - *length, file);
		*length += n;
	} while (n > 0);
	text[*length] = 0;
	fclose(file);
	return text;
}

bool cases_there(const char *path)
{
	char full[4096];

	cases_path(full, sizeof(full), path);
	return access(full, R_OK) == 0;
}

char *cases_snapshot(const char *path)
{
	size_t length;
	char *text = cases_file(path, &length), *c = text;

	for (int dashes = 0; c && dashes < 2;) {
		dashes += strncmp(c, "---", 3) == 0;
		c = strchr(c, '\n');
		c = c ? c + 1 : NULL;
	}
	if (c)
		memmove(text, c, strlen(c) + 1);
	return text;
}

void cases_unfold(char *path, const char *sign)
{
	char *at;

	while ((at = strstr(path, sign))) {
		*at = '/';
		memmove(at + 1, at + strlen(sign), strlen(at + strlen(sign)) + 1);
	}
}

static int cases_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **cases_names(const char *folder, const char *ending)
{
	char full[4096];
	size_t count = 0, ending_length = strlen(ending);
	char **names = calloc(4096, sizeof(*names) + 256);
	char *text = names ? (char *)(names + 4096) : NULL;
	struct dirent *entry;
	DIR *dir;

	cases_path(full, sizeof(full), folder);
	dir = opendir(full);
	if (!dir || !names) {
		free(names);
		return NULL;
	}
	while (count < 4095 && (entry = readdir(dir))) {
		size_t length = strlen(entry->d_name);

		if (length <= ending_length || strcmp(entry->d_name + length - ending_length, ending) != 0)
			continue;
		length -= ending_length;
		memcpy(text, entry->d_name, length);
		text[length] = 0;
		names[count++] = text;
		text += length + 1;
	}
	closedir(dir);
	qsort(names, count, sizeof(*names), cases_compare);
	return names;
}

/* ---- results ------------------------------------------------------------------------------------ */

static size_t run_of(const char *c, const char *allowed)
{
	size_t n = 0;

	while (c[n] && (isalnum((unsigned char)c[n]) || strchr(allowed, c[n])))
		n++;
	return n;
}

/* The length of +inf, -NaN, inf and so on at @c, or 0. */
static size_t special_number(const char *c)
{
	size_t sign = *c == '+' || *c == '-';

	if (strncmp(c + sign, "inf", 3) != 0 && strncmp(c + sign, "NaN", 3) != 0)
		return 0;
	return isalnum((unsigned char)c[sign + 3]) || c[sign + 3] == '_' ? 0 : sign + 3;
}

static size_t token(const char *c, bool *variable)
{
	size_t sign = *c == '+' || *c == '-';
	const char *end;

	*variable = false;
	if (*c == '[' && (end = strchr(c, ']')))
		return (size_t)(end - c) + 1;
	if (*c == '@' && run_of(c + 1, "_./$-"))
		return 1 + run_of(c + 1, "_./$-");
	if (special_number(c))
		return special_number(c);
	if (isdigit((unsigned char)c[sign]))
		return sign + run_of(c + sign, "_.+-");
	if (isalpha((unsigned char)*c) || *c == '_') {
		*variable = true;
		return run_of(c, "_./$-");
	}
	return 1;
}

char *result_normal(const char *text)
{
	const char *start = strstr(text, "Result:"), *c = start ? start + 7 : text;
	size_t end = strcspn(c, "\n");
	char *out = malloc(end * 12 + 2),
	     *to = out; /* a variable of one letter may become x and ten digits */
	struct names names;

	if (!out)
		abort();
	names_init(&names, text);
	while (*c && *c != '\n') {
		bool variable;
		size_t n;
		uint32_t number;

		if (isspace((unsigned char)*c)) {
			c++;
			continue;
		}
		n = token(c, &variable);
		if (to != out)
			*to++ = ' ';
		if (variable && names_add(&names, (uint32_t)(c - text), (uint32_t)n, &number) == 0) {
			to += sprintf(to, "x%u", number);
		} else {
			memcpy(to, c, n);
			to += n;
		}
		c += n;
	}
	*to = 0;
	names_fini(&names);
	return out;
}
