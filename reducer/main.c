/*
 * main.c - the reducer: which of its faces.
 *
 *	reducer run FILE.hvm          one program, here and now
 *	reducer resume FILE           the same from where a checkpoint says
 *	reducer workers PID +1        one worker more for what is being reduced
 *	reducer -i TOPIC -o TOPIC     a service between two topics
 *	reducer report [FILE...]      what such a service answered, as a table
 */
#include <string.h>

#include "reducer/cli.h"
#include "tools/cli/cli.h"

int main(int argc, char **argv)
{
	int ret;

	ret = cli_start("reducer");
	if (ret < 0) {
		cli_error("it cannot start: %s", plx_strerror(ret));
		return REDUCER_ERROR;
	}
	if (argc > 1 && strcmp(argv[1], "run") == 0)
		return cli_run(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "resume") == 0)
		return cli_resume(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "workers") == 0)
		return cli_workers(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "report") == 0)
		return cli_report(argc - 1, argv + 1);
	return cli_serve(argc, argv);
}
