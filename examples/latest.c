/* latest.c - a sensor writes its newest readings on a board; whoever looks sees the latest, whole, and how old it is. */
#include <plx/plx.h>
#include <stdio.h>
#include <unistd.h>

static int measure(void)
{
	struct plx_latest_options opt = { .wake = true };
	struct plx_latest_writer *board;
	int key;

	if (plx_latest_writer_open(&board, "sensor", &opt) < 0)
		return 1;
	key = plx_latest_writer_key(board, "temperature");
	for (double t = 20; t <= 22; t += 0.5) {
		if (plx_latest_writer_set(board, key, &t, sizeof(t), 0) < 0)
			return 1;
		usleep(1000);
	}
	plx_latest_writer_close(board);
	return 0;
}

int main(void)
{
	struct plx_latest_reader *board;
	struct plx_latest_value value = { 0 };
	double t = 0;
	int key;

	if (fork() == 0)
		return measure();
	if (plx_latest_reader_open(&board, "sensor", NULL) < 0)
		return 1;
	key = plx_latest_reader_key(board, "temperature");
	while (value.version < 5) {
		if (plx_latest_reader_wait(board, key, value.writer, value.version, UINT64_MAX) < 0)
			return 1;
		if (plx_latest_reader_get(board, key, &t, sizeof(t), &value) < 0)
			continue;
		fprintf(stderr, "%.1f (change %d, %d us old)\n", t, (int)value.version,
			(int)(value.age_ns / 1000));
	}
	printf("%.1f\n", t);
	plx_latest_reader_close(board);
	return 0;
}
