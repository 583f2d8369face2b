/*
 * table.c - counters with labels.
 *
 * A process lays out a table in a block of its segment and stores numbers; any tool that can map the segment shows
 * them under their names, without knowing the program and without its help. Storing costs one plain store to a line
 * that nobody else writes.
 *
 * Attaching believes nothing: geometry is read once, checked against the size of the block, and only the copy in
 * struct plx_table is used after that. Labels may still change under a reader: they are copied out and cut.
 */
#include <string.h>

#include <plx/table.h>

#include "base/atomic.h"
#include "base/size.h"
#include "stats/table_layout.h"

static uint64_t rows_offset(uint32_t columns)
{
	return sizeof(struct plx_table_head) + (uint64_t)columns * sizeof(struct plx_table_label);
}

static uint64_t row_stride(uint32_t columns)
{
	return ((uint64_t)columns * 8 + PLX_LINE - 1) / PLX_LINE * PLX_LINE;
}

static bool sane(uint32_t rows, uint32_t columns)
{
	return columns >= 1 && columns <= PLX_TABLE_COLUMNS_MAX && rows >= 1 && rows <= PLX_TABLE_ROWS_MAX;
}

/* Copy a label that may change meanwhile: cut, terminated, and nothing a terminal would obey. */
static void copy_text(char *to, const char *from, size_t size)
{
	size_t i;

	for (i = 0; i + 1 < size; i++) {
		char c = plx_read_once(&from[i]);

		if (c == 0)
			break;
		to[i] = (c >= ' ' && c < 127) ? c : '?';
	}
	memset(to + i, 0, size - i);
}

static const struct plx_table_label *label_of(const struct plx_table *table, uint32_t column)
{
	const char *base = (const char *)table->base + sizeof(struct plx_table_head);

	return (const struct plx_table_label *)base + column;
}

/* Is a text of @size bytes terminated? */
static bool terminated(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (plx_read_once(&text[i]) == 0)
			return true;
	return false;
}

uint64_t plx_table_size(uint32_t rows, uint32_t columns)
{
	if (!sane(rows, columns))
		return 0;
	return rows_offset(columns) + rows * row_stride(columns);
}

int plx_table_init(struct plx_table *table, void *block, uint64_t size, const char *title,
		   const struct plx_column *columns, uint32_t n, uint32_t rows)
{
	struct plx_table_head *head = block;
	struct plx_table_label *labels = (struct plx_table_label *)(head + 1);
	uint64_t need = plx_table_size(rows, n);

	*table = (struct plx_table){ .base = NULL };
	if (need == 0 || strlen(title) >= sizeof(head->title) || (uintptr_t)block % PLX_LINE != 0)
		return -EINVAL;
	for (uint32_t i = 0; i < n; i++) {
		const char *states = columns[i].states ? columns[i].states : "";

		if (strlen(columns[i].name) >= sizeof(labels->name) || columns[i].kind > PLX_COLUMN_STATE ||
		    strlen(states) >= sizeof(labels->states))
			return -EINVAL;
	}
	if (need > size)
		return -ENOSPC;

	memset(block, 0, need);
	for (uint32_t i = 0; i < n; i++) {
		strcpy(labels[i].name, columns[i].name);
		labels[i].kind = columns[i].kind;
		strcpy(labels[i].states, columns[i].states ? columns[i].states : "");
	}
	head->version = PLX_TABLE_VERSION;
	head->rows = rows;
	head->columns = n;
	head->rows_off = rows_offset(n);
	head->stride = row_stride(n);
	strcpy(head->title, title);
	/* T1 release: pairs with T2; who sees the magic sees the labels */
	__atomic_store_n(&head->magic, PLX_TABLE_MAGIC, __ATOMIC_RELEASE);

	*table = (struct plx_table){ .base = block, .rows = rows, .columns = n, .stride = head->stride };
	return 0;
}

int plx_table_attach(struct plx_table *table, const void *block, uint64_t size)
{
	const struct plx_table_head *head = block;
	uint32_t rows, columns;

	*table = (struct plx_table){ .base = NULL };
	if (size < sizeof(*head) || (uintptr_t)block % PLX_LINE != 0)
		return -ERANGE;
	/* T2 acquire: pairs with T1 */
	if (__atomic_load_n(&head->magic, __ATOMIC_ACQUIRE) != PLX_TABLE_MAGIC ||
	    plx_read_once(&head->version) != PLX_TABLE_VERSION)
		return -EPROTO;
	rows = plx_read_once(&head->rows);
	columns = plx_read_once(&head->columns);
	if (!sane(rows, columns) || plx_table_size(rows, columns) > size ||
	    plx_read_once(&head->rows_off) != rows_offset(columns) ||
	    plx_read_once(&head->stride) != row_stride(columns))
		return -ERANGE;

	*table = (struct plx_table){ .base = (void *)(uintptr_t)block,
				     .rows = rows,
				     .columns = columns,
				     .stride = row_stride(columns) };
	return 0;
}

void plx_table_title(const struct plx_table *table, char title[32])
{
	const struct plx_table_head *head = table->base;

	copy_text(title, head->title, sizeof(head->title));
}

int plx_table_column(const struct plx_table *table, uint32_t column, char name[16], char states[48])
{
	const struct plx_table_label *label;
	uint32_t kind;

	if (column >= table->columns)
		return -EINVAL;
	label = label_of(table, column);
	copy_text(name, label->name, sizeof(label->name));
	copy_text(states, label->states, sizeof(label->states));
	kind = plx_read_once(&label->kind);
	return kind > PLX_COLUMN_STATE ? PLX_COLUMN_GAUGE : (int)kind;
}

uint64_t *plx_table_cell(const struct plx_table *table, uint32_t row, uint32_t column)
{
	char *rows = (char *)table->base + rows_offset(table->columns);

	assert(row < table->rows && column < table->columns);
	return (uint64_t *)(void *)(rows + row * table->stride) + column;
}

int plx_table_check(const struct plx_table *table, const char **why)
{
	const struct plx_table_head *head = table->base;

	*why = NULL;
	if (plx_read_once(&head->rows) != table->rows || plx_read_once(&head->columns) != table->columns)
		*why = "table: the number of rows or columns changed";
	else if (plx_read_once(&head->stride) != table->stride ||
		 plx_read_once(&head->rows_off) != rows_offset(table->columns))
		*why = "table: the rows moved";
	else if (!terminated(head->title, sizeof(head->title)))
		*why = "table: the title does not end";
	for (uint32_t i = 0; i < table->columns && !*why; i++) {
		const struct plx_table_label *label = label_of(table, i);

		if (plx_read_once(&label->name[0]) == 0 || !terminated(label->name, sizeof(label->name)))
			*why = "table: a column has no proper name";
		else if (plx_read_once(&label->kind) > PLX_COLUMN_STATE)
			*why = "table: a column is of no known kind";
		else if (!terminated(label->states, sizeof(label->states)))
			*why = "table: the states of a column do not end";
	}
	return *why ? -EBADMSG : 0;
}
