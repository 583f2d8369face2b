/* table.h - a table of labelled counters in a segment, which any tool can read without knowing its program. */
#ifndef PLX_TABLE_H
#define PLX_TABLE_H

#include <plx/segment.h>

/* How a tool shows a column. */
enum plx_column_kind {
	PLX_COLUMN_COUNT = 0, /* a total that only grows */
	PLX_COLUMN_GAUGE = 1, /* a present value */
	PLX_COLUMN_BYTES = 2, /* a present value in bytes */
	PLX_COLUMN_NS = 3,    /* nanoseconds */
	PLX_COLUMN_PID = 4,   /* a process id, 0 = none */
	PLX_COLUMN_STATE = 5, /* index into the state names of the column */
};

struct plx_column {
	const char *name;   /* at most 15 bytes */
	uint32_t kind;      /* enum plx_column_kind */
	const char *states; /* for PLX_COLUMN_STATE: up to 8 words separated by '|', 47 bytes at most */
};

/* A view of a table: private to the process. */
struct plx_table {
	void *base;
	uint32_t rows;
	uint32_t columns;
	uint64_t stride; /* bytes from row to row, a multiple of PLX_LINE */
};

PLX_BEGIN

/** plx_table_size() - bytes a block needs for such a table; at most 32 columns and 65536 rows, else 0. */
uint64_t plx_table_size(uint32_t rows, uint32_t columns);

/**
 * plx_table_init() - lay out a table in a block, all cells 0.
 * @title: at most 31 bytes: what a row is, "worker" or "partition"
 *
 * Return: 0, -EINVAL, -ENOSPC.
 */
int plx_table_init(struct plx_table *table, void *block, uint64_t size, const char *title,
		   const struct plx_column *columns, uint32_t n, uint32_t rows) plx_must_check;

/**
 * plx_table_attach() - a view of a table another process made; checked against @size.
 *
 * Return: 0, -EPROTO, -ERANGE.
 */
int plx_table_attach(struct plx_table *table, const void *block, uint64_t size) plx_must_check;

/** plx_table_title(), plx_table_column() - labels, copied out terminated; column returns its kind, or -EINVAL. */
void plx_table_title(const struct plx_table *table, char title[32]);
int plx_table_column(const struct plx_table *table, uint32_t column, char name[16], char states[48]);

/** plx_table_find() - the column of that name. Return: which one, or -ENOENT. */
int plx_table_find(const struct plx_table *table, const char *name);

/**
 * plx_table_cell() - the address of a cell: 8 bytes, aligned. A row has one writer, which stores
 * relaxed; a row never shares a cache line with another.
 */
uint64_t *plx_table_cell(const struct plx_table *table, uint32_t row, uint32_t column);

/** plx_table_set(), plx_table_get() - relaxed store and load of a cell. */
static inline void plx_table_set(const struct plx_table *table, uint32_t row, uint32_t column, uint64_t value)
{
	__atomic_store_n(plx_table_cell(table, row, column), value, __ATOMIC_RELAXED);
}

static inline uint64_t plx_table_get(const struct plx_table *table, uint32_t row, uint32_t column)
{
	return __atomic_load_n(plx_table_cell(table, row, column), __ATOMIC_RELAXED);
}

/**
 * plx_table_check() - geometry and labels are sane.
 *
 * Return: 0 or -EBADMSG with *@why.
 */
int plx_table_check(const struct plx_table *table, const char **why) plx_must_check;

PLX_END

#endif
