/*
 * table.c - a table of labelled counters in a block of a segment.
 *
 * The program that counts describes its table once, in words; from then on counting is a store of 8 bytes. A tool that
 * finds the block can print it without having heard of the program. It believes nothing: it copies the header, checks the
 * copy against the size of the block, and copies each label before it shows it.
 */
#include <plx/table.h>

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/atomic.h"
#include "base/mutant.h"
#include "base/size.h"
#include "stats/table_layout.h"

#define HDR_SIZE   ((uint64_t)sizeof(struct plx_table_hdr))
#define LABEL_SIZE ((uint64_t)sizeof(struct plx_table_label))

static uint64_t stride_of(uint32_t columns)
{
	return ((uint64_t)columns * sizeof(uint64_t) + PLX_LINE - 1) & ~(uint64_t)(PLX_LINE - 1);
}

uint64_t plx_table_size(uint32_t rows, uint32_t columns)
{
	if (rows == 0 || rows > PLX_TABLE_ROWS_MAX || columns == 0 || columns > PLX_TABLE_COLUMNS_MAX)
		return 0;
	return HDR_SIZE + columns * LABEL_SIZE + rows * stride_of(columns);
}

/* ---- text ---------------------------------------------------------------------------------------- */

/* Copy @from, at most @room - 1 bytes of printable text, into zeroed @to. */
static bool text_put(char *to, size_t room, const char *from)
{
	size_t n = from ? strnlen(from, room) : 0;

	if (n == room)
		return false;
	memset(to, 0, room);
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)from[i] < 0x20 || from[i] == 0x7f)
			return false;
		to[i] = from[i];
	}
	return true;
}

/* Terminated, printable, zero after its end. */
static bool text_is_sane(const char *text, size_t room)
{
	size_t n = strnlen(text, room);

	if (n == room)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	for (size_t i = n; i < room; i++)
		if (text[i] != '\0')
			return false;
	return true;
}

/* Fit to be shown, whatever it was: what a stranger wrote must not reach a terminal. */
static void text_show(char *text, size_t room)
{
	size_t i;

	text[room - 1] = '\0';
	for (i = 0; text[i]; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			text[i] = '?';
	memset(text + i, 0, room - i);
}

/* 1 to 8 words, none empty, for a state; nothing for the others. */
static bool states_are_sane(uint32_t kind, const char *states)
{
	uint32_t words = 1;

	if (kind != PLX_COLUMN_STATE)
		return states[0] == '\0';
	for (size_t i = 0, length = 0;; i++) {
		if (states[i] != '|' && states[i] != '\0') {
			length++;
			continue;
		}
		if (length == 0)
			return false;
		if (states[i] == '\0')
			return words <= PLX_TABLE_STATES_MAX;
		words++;
		length = 0;
	}
}

/* ---- laying out ---------------------------------------------------------------------------------- */

static struct plx_table_label *labels_of(const struct plx_table *table)
{
	return (struct plx_table_label *)((unsigned char *)table->base + HDR_SIZE);
}

static bool label_put(struct plx_table_label *label, uint8_t *kind, const struct plx_column *column)
{
	if (column->kind > PLX_COLUMN_STATE || !column->name || !column->name[0] ||
	    !text_put(label->name, sizeof(label->name), column->name) ||
	    !text_put(label->states, sizeof(label->states), column->states))
		return false;
	*kind = (uint8_t)column->kind;
	return states_are_sane(column->kind, label->states);
}

int plx_table_init(struct plx_table *table, void *block, uint64_t size, const char *title,
		   const struct plx_column *columns, uint32_t n, uint32_t rows)
{
	struct plx_table_hdr hdr = { .layout = PLX_TABLE_LAYOUT, .rows = rows, .columns = n };
	struct plx_table_label labels[PLX_TABLE_COLUMNS_MAX];
	uint64_t need = plx_table_size(rows, n);
	struct plx_table t = { .base = block, .rows = rows, .columns = n, .stride = stride_of(n) };

	*table = (struct plx_table){ .base = NULL };
	if (need == 0 || !block || (uintptr_t)block % PLX_LINE != 0 || !title || !title[0] ||
	    !text_put(hdr.title, sizeof(hdr.title), title))
		return -EINVAL;
	for (uint32_t i = 0; i < n; i++)
		if (!label_put(&labels[i], &hdr.kind[i], &columns[i]))
			return -EINVAL;
	if (need > size)
		return -ENOSPC;
	memset(block, 0, need);
	if (plx_mutant(MUT_TABLE_MAGIC_FIRST))
		hdr.magic = PLX_TABLE_MAGIC;
	memcpy(block, &hdr, sizeof(hdr)); /* with magic 0 */
	memcpy(labels_of(&t), labels, n * sizeof(labels[0]));
	/* TB1 release: pairs with TB2; whoever sees the magic sees the whole description and cells of 0 */
	__atomic_store_n(&((struct plx_table_hdr *)block)->magic, PLX_TABLE_MAGIC, __ATOMIC_RELEASE);
	*table = t;
	return 0;
}

/* ---- reading ------------------------------------------------------------------------------------- */

static int read_header(struct plx_table_hdr *copy, const void *block)
{
	/* TB2 acquire: pairs with TB1 */
	uint32_t magic = __atomic_load_n(&((const struct plx_table_hdr *)block)->magic, __ATOMIC_ACQUIRE);

	plx_copy_once(copy, block, sizeof(*copy));
	return magic == PLX_TABLE_MAGIC && copy->magic == magic && copy->layout == PLX_TABLE_LAYOUT ? 0
												    : -EPROTO;
}

int plx_table_attach(struct plx_table *table, const void *block, uint64_t size)
{
	struct plx_table_hdr hdr;
	uint64_t need;
	int ret;

	*table = (struct plx_table){ .base = NULL };
	if (!block || (uintptr_t)block % PLX_LINE != 0 || size < HDR_SIZE)
		return -ERANGE;
	ret = read_header(&hdr, block);
	if (ret < 0)
		return ret;
	need = plx_table_size(hdr.rows, hdr.columns);
	if (need == 0 || need > size)
		return -ERANGE;
	*table = (struct plx_table){
		.base = (void *)(uintptr_t)block,
		.rows = hdr.rows,
		.columns = hdr.columns,
		.stride = stride_of(hdr.columns),
	};
	return 0;
}

void plx_table_title(const struct plx_table *table, char title[32])
{
	_Alignas(8) char copy[32];

	plx_copy_once(copy, ((const struct plx_table_hdr *)table->base)->title, sizeof(copy));
	text_show(copy, sizeof(copy));
	memcpy(title, copy, sizeof(copy));
}

int plx_table_column(const struct plx_table *table, uint32_t column, char name[16], char states[48])
{
	_Alignas(8) struct plx_table_label label;
	uint8_t kind;

	if (column >= table->columns)
		return -EINVAL;
	kind = plx_read_once(&((const struct plx_table_hdr *)table->base)->kind[column]);
	plx_copy_once(&label, &labels_of(table)[column], sizeof(label));
	text_show(label.name, sizeof(label.name));
	text_show(label.states, sizeof(label.states));
	if (name)
		memcpy(name, label.name, sizeof(label.name));
	if (states)
		memcpy(states, label.states, sizeof(label.states));
	return kind > PLX_COLUMN_STATE ? -EINVAL : kind;
}

int plx_table_find(const struct plx_table *table, const char *name)
{
	char is[16];

	for (uint32_t i = 0; i < table->columns; i++)
		if (plx_table_column(table, i, is, NULL) >= 0 && strcmp(is, name) == 0)
			return (int)i;
	return -ENOENT;
}

uint64_t *plx_table_cell(const struct plx_table *table, uint32_t row, uint32_t column)
{
	unsigned char *rows = (unsigned char *)labels_of(table) + table->columns * LABEL_SIZE;

	assert(row < table->rows && column < table->columns);
	return (uint64_t *)(void *)(rows + row * table->stride) + column;
}

static const char *label_fault(const struct plx_table_hdr *hdr, const struct plx_table_label *label,
			       uint32_t i)
{
	if (hdr->kind[i] > PLX_COLUMN_STATE)
		return "a column has no known kind";
	if (label->name[0] == '\0' || !text_is_sane(label->name, sizeof(label->name)))
		return "the name of a column is not text";
	if (!text_is_sane(label->states, sizeof(label->states)) ||
	    !states_are_sane(hdr->kind[i], label->states))
		return "the states of a column make no sense";
	return NULL;
}

static const char *table_fault(const struct plx_table *table)
{
	static const uint8_t zero[32];
	struct plx_table_hdr hdr;
	const char *fault = NULL;

	if (read_header(&hdr, table->base) < 0)
		return "no magic: not a table, or not a whole one";
	if (hdr.rows != table->rows || hdr.columns != table->columns ||
	    stride_of(hdr.columns) != table->stride)
		return "the table has changed its size";
	if (hdr.title[0] == '\0' || !text_is_sane(hdr.title, sizeof(hdr.title)))
		return "the title is not text";
	if (memcmp(hdr.reserved, zero, sizeof(hdr.reserved)) != 0 ||
	    memcmp(hdr.reserved1, zero, sizeof(hdr.reserved1)) != 0)
		return "reserved bytes are not zero";
	for (uint32_t i = 0; i < PLX_TABLE_COLUMNS_MAX && !fault; i++) {
		_Alignas(8) struct plx_table_label label;

		if (i >= hdr.columns) {
			fault = hdr.kind[i] ? "a column that is not there has a kind" : NULL;
			continue;
		}
		plx_copy_once(&label, &labels_of(table)[i], sizeof(label));
		fault = label_fault(&hdr, &label, i);
	}
	return fault;
}

int plx_table_check(const struct plx_table *table, const char **why)
{
	const char *fault = table->base ? table_fault(table) : "there is no table";

	if (fault && why)
		*why = fault;
	return fault ? -EBADMSG : 0;
}
