/* grid.c - text in columns, as wide as they need to be. */
#include "tools/shmctl/shmctl.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void *ctl_memory(void *p)
{
	if (!p) {
		cli_error("out of memory");
		exit(CTL_BROKEN);
	}
	return p;
}

const char *ctl_paint(const struct ctl_request *request, enum ctl_colour colour)
{
	static const char *const codes[] = { "\033[0m",  "\033[1m",  "\033[2m",  "\033[31m",
					     "\033[32m", "\033[33m", "\033[34m", "\033[36m" };

	return request->colour ? codes[colour] : "";
}

void ctl_grid_start(struct ctl_grid *grid, const char *align)
{
	*grid = (struct ctl_grid){ .align = align, .columns = strlen(align) };
}

void ctl_grid_cell(struct ctl_grid *grid, enum ctl_colour colour, const char *format, ...)
{
	struct ctl_cell cell = { .colour = colour };
	va_list args;

	va_start(args, format);
	if (vasprintf(&cell.text, format, args) < 0)
		cell.text = NULL;
	va_end(args);
	ctl_memory(cell.text);
	if (grid->count == grid->room) {
		grid->room = grid->room ? grid->room * 2 : 64;
		grid->cells = ctl_memory(realloc(grid->cells, grid->room * sizeof(*grid->cells)));
	}
	grid->cells[grid->count++] = cell;
}

static void print_cell(const struct ctl_grid *grid, const struct ctl_request *request, size_t i, int width,
		       bool last)
{
	const struct ctl_cell *cell = &grid->cells[i];
	size_t column = i % grid->columns;
	int pad = width - (int)strlen(cell->text);

	if (column > 0)
		fputs("  ", request->out);
	if (grid->align[column] == '>')
		fprintf(request->out, "%*s", pad, "");
	if (cell->colour != PLAIN)
		fputs(ctl_paint(request, cell->colour), request->out);
	fputs(cell->text, request->out);
	if (cell->colour != PLAIN)
		fputs(ctl_paint(request, PLAIN), request->out);
	if (!last && grid->align[column] == '<')
		fprintf(request->out, "%*s", pad, "");
}

/* A row, without blanks at its end. */
static void print_row(const struct ctl_grid *grid, const struct ctl_request *request, size_t from,
		      const int *widths)
{
	size_t end = from + grid->columns;

	while (end > from && grid->cells[end - 1].text[0] == '\0')
		end--;
	for (size_t i = from; i < end; i++)
		print_cell(grid, request, i, widths[i - from], i + 1 == end);
	fputc('\n', request->out);
}

void ctl_grid_end(struct ctl_grid *grid, const struct ctl_request *request, const char *indent)
{
	int widths[GRID_COLUMNS] = { 0 };

	for (size_t i = 0; i < grid->count; i++) {
		int *width = &widths[i % grid->columns], length = (int)strlen(grid->cells[i].text);

		if (length > *width)
			*width = length;
	}
	for (size_t i = 0; i + grid->columns <= grid->count; i += grid->columns) {
		fputs(indent, request->out);
		print_row(grid, request, i, widths);
	}
	for (size_t i = 0; i < grid->count; i++)
		free(grid->cells[i].text);
	free(grid->cells);
	*grid = (struct ctl_grid){ .align = "" };
}
