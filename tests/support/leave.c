/*
 * leave.c - a child that leaves by _exit() leaves its coverage behind too (make coverage links with --wrap=_exit).
 *
 * libshm's own children do that in plx_sys_exit().
 */
#ifdef PLX_COV
void __gcov_dump(void);
void __real__exit(int code) __attribute__((noreturn));
void __wrap__exit(int code) __attribute__((noreturn));

void __wrap__exit(int code)
{
	__gcov_dump();
	__real__exit(code);
}
#else
typedef int nothing_to_do;
#endif
