/*
 * num.c - what numbers do: arithmetic in three types of 24 bits, casts, partial applications.
 *
 * An operator meets its operands one at a time, and only the type of the *second* is still known when both are there:
 * a partial application keeps 24 bits and an operator, `[+5]`, no longer whether those bits were meant as u24, i24 or
 * f24. So the plain number selects the arithmetic and the other bits are read as that type. The bits kept are the left
 * operand; a flipped operator (`:-`) changes their places.
 *
 * All integer arithmetic is done on uint32_t or int64_t and cut to 24 bits by num_make's callers: nothing here overflows.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>

#include "reducer/net/num.h"

#define U24_MAX 16777215
#define I24_MAX 8388607
#define I24_MIN (-8388608)

/* Toward zero, saturating; NaN is 0. */
static int64_t num_from_float(float value, int64_t min, int64_t max)
{
	if (isnan(value))
		return 0;
	if (value <= (float)min)
		return min;
	if (value >= (float)max)
		return max;
	return (int64_t)value;
}

/* ---- operators ---------------------------------------------------------------------------------- */

static int num_u24_operate(uint32_t op, uint32_t a, uint32_t b, port *out)
{
	uint32_t r;

	switch (op) {
	case NUM_ADD: r = a + b; break;
	case NUM_SUB: r = a - b; break;
	case NUM_FP_SUB: r = b - a; break;
	case NUM_MUL: r = (uint32_t)((uint64_t)a * b); break;
	case NUM_FP_DIV: return num_u24_operate(NUM_DIV, b, a, out);
	case NUM_FP_REM: return num_u24_operate(NUM_REM, b, a, out);
	case NUM_DIV:
		if (b == 0)
			return -EDOM;
		r = a / b;
		break;
	case NUM_REM:
		if (b == 0)
			return -EDOM;
		r = a % b;
		break;
	case NUM_EQ: r = a == b; break;
	case NUM_NEQ: r = a != b; break;
	case NUM_LT: r = a < b; break;
	case NUM_GT: r = a > b; break;
	case NUM_AND: r = a & b; break;
	case NUM_OR: r = a | b; break;
	case NUM_XOR: r = a ^ b; break;
	case NUM_SHL: r = a << (b & 31); break;
	case NUM_FP_SHL: r = b << (a & 31); break;
	case NUM_SHR: r = a >> (b & 31); break;
	case NUM_FP_SHR: r = b >> (a & 31); break;
	default: r = 0; break;
	}
	*out = num_u24(r);
	return 0;
}

static int num_i24_operate(uint32_t op, int64_t a, int64_t b, port *out)
{
	switch (op) {
	case NUM_ADD: *out = num_i24(a + b); break;
	case NUM_SUB: *out = num_i24(a - b); break;
	case NUM_FP_SUB: *out = num_i24(b - a); break;
	case NUM_MUL: *out = num_i24(a * b); break;
	case NUM_FP_DIV: return num_i24_operate(NUM_DIV, b, a, out);
	case NUM_FP_REM: return num_i24_operate(NUM_REM, b, a, out);
	case NUM_DIV:
		if (b == 0)
			return -EDOM;
		*out = num_i24(a /
			       b); /* the one quotient that does not fit wraps: -8388608 / -1 = -8388608 */
		break;
	case NUM_REM:
		if (b == 0)
			return -EDOM;
		*out = num_i24(a % b);
		break;
	case NUM_EQ: *out = num_u24(a == b); break;
	case NUM_NEQ: *out = num_u24(a != b); break;
	case NUM_LT: *out = num_u24(a < b); break;
	case NUM_GT: *out = num_u24(a > b); break;
	case NUM_AND: *out = num_i24(a & b); break;
	case NUM_OR: *out = num_i24(a | b); break;
	case NUM_XOR: *out = num_i24(a ^ b); break;
	default: *out = num_i24(0); break; /* shifts of signed numbers are not defined: +0 */
	}
	return 0;
}

static void num_f24_operate(uint32_t op, float a, float b, port *out)
{
	switch (op) {
	case NUM_ADD: *out = num_f24(a + b); break;
	case NUM_SUB: *out = num_f24(a - b); break;
	case NUM_FP_SUB: *out = num_f24(b - a); break;
	case NUM_MUL: *out = num_f24(a * b); break;
	case NUM_DIV: *out = num_f24(a / b); break;
	case NUM_FP_DIV: *out = num_f24(b / a); break;
	case NUM_REM: *out = num_f24(fmodf(a, b)); break;
	case NUM_FP_REM: *out = num_f24(fmodf(b, a)); break;
	case NUM_EQ: *out = num_u24(a == b); break;
	case NUM_NEQ: *out = num_u24(a != b); break;
	case NUM_LT: *out = num_u24(a < b); break;
	case NUM_GT: *out = num_u24(a > b); break;
	/* What makes no sense on floats does something useful instead. */
	case NUM_AND: *out = num_f24(atan2f(a, b)); break;
	case NUM_OR: *out = num_f24(logf(b) / logf(a)); break;
	case NUM_XOR: *out = num_f24(powf(a, b)); break;
	case NUM_SHL: *out = num_f24(sinf(a + b)); break;
	case NUM_SHR: *out = num_f24(tanf(a + b)); break;
	default: *out = num_f24(0.0f); break; /* flipped shifts */
	}
}

static port num_cast(uint32_t to, port from)
{
	uint32_t type = num_type(from), bits = num_payload(from);

	if (type == to)
		return from;
	if (to == NUM_F24)
		return num_f24(type == NUM_U24 ? (float)bits : (float)num_i24_value(bits));
	if (type != NUM_F24)
		return num_make(to, bits);
	if (to == NUM_U24)
		return num_u24((uint32_t)num_from_float(num_f24_value(bits), 0, U24_MAX));
	return num_i24(num_from_float(num_f24_value(bits), I24_MIN, I24_MAX));
}

static bool num_is_plain(uint32_t type)
{
	return type >= NUM_U24 && type <= NUM_F24;
}

int num_operate(port a, port b, port *out)
{
	uint32_t left, right;

	if (num_type(a) == NUM_SYM && num_type(b) == NUM_SYM) {
		*out = num_u24(0);
		return 0;
	}
	if (num_type(b) == NUM_SYM || (num_type(a) != NUM_SYM && num_type(b) >= NUM_ADD)) {
		port swap = a; /* the operator, alone or with an operand, is now in a */

		a = b;
		b = swap;
	}
	left = num_payload(a);
	right = num_payload(b);
	if (num_type(a) == NUM_SYM) {
		if (num_is_plain(left) && num_is_plain(num_type(b)))
			*out = num_cast(left, b);
		else
			*out = num_make(left & 31, right); /* the operand's type is forgotten here */
		return 0;
	}
	if (num_type(a) < NUM_ADD || num_type(b) >= NUM_ADD) {
		*out = num_u24(0); /* two operators or none */
		return 0;
	}
	switch (num_type(b)) {
	case NUM_U24: return num_u24_operate(num_type(a), left, right, out);
	case NUM_I24: return num_i24_operate(num_type(a), num_i24_value(left), num_i24_value(right), out);
	default: num_f24_operate(num_type(a), num_f24_value(left), num_f24_value(right), out); return 0;
	}
}
