/*
 * num.c - what numbers do: arithmetic in three types of 24 bits and three of 32, casts, partial applications.
 *
 * An operator meets its operands one at a time, and only the type of the *second* is still known when both are there:
 * a partial application keeps bits and an operator, `[+5]`, no longer whether those bits were meant as u24, i24 or
 * f24. So the plain number selects the arithmetic and the other bits are read as that type. The bits kept are the left
 * operand; a flipped operator (`:-`) changes their places.
 *
 * All integer arithmetic is done on uint32_t or int64_t and cut to 24 bits by num_make's callers: nothing here overflows.
 */
#include <errno.h>
#include <math.h>

#include "reducer/net/num.h"

#define U24_MAX 16777215
#define I24_MAX 8388607
#define I24_MIN (-8388608)

/* One text for both widths: what they differ in is how a result is cut and packed. */
#define num_always static inline __attribute__((always_inline))

num_always port num_unsigned(uint32_t value, bool wide)
{
	return wide ? num_make(NUM_U32, value) : num_u24(value);
}

num_always port num_signed(int64_t value, bool wide)
{
	return wide ? num_make(NUM_I32, (uint32_t)value) : num_i24(value);
}

num_always port num_floating(float value, bool wide)
{
	return wide ? num_f32(value) : num_f24(value);
}

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

num_always int num_unsigned_operate(uint32_t op, uint32_t a, uint32_t b, port *out, const bool wide)
{
	uint32_t r;

	switch (op) {
	case NUM_ADD: r = a + b; break;
	case NUM_SUB: r = a - b; break;
	case NUM_FP_SUB: r = b - a; break;
	case NUM_MUL: r = (uint32_t)((uint64_t)a * b); break;
	case NUM_FP_DIV:
		if (a == 0)
			return -EDOM;
		r = b / a;
		break;
	case NUM_FP_REM:
		if (a == 0)
			return -EDOM;
		r = b % a;
		break;
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
	case NUM_EQ: *out = num_u24(a == b); return 0;
	case NUM_NEQ: *out = num_u24(a != b); return 0;
	case NUM_LT: *out = num_u24(a < b); return 0;
	case NUM_GT: *out = num_u24(a > b); return 0;
	case NUM_AND: r = a & b; break;
	case NUM_OR: r = a | b; break;
	case NUM_XOR: r = a ^ b; break;
	case NUM_SHL: r = a << (b & 31); break;
	case NUM_FP_SHL: r = b << (a & 31); break;
	case NUM_SHR: r = a >> (b & 31); break;
	case NUM_FP_SHR: r = b >> (a & 31); break;
	default: r = 0; break;
	}
	*out = num_unsigned(r, wide);
	return 0;
}

num_always int num_signed_operate(uint32_t op, int64_t a, int64_t b, port *out, const bool wide)
{
	switch (op) {
	case NUM_ADD: *out = num_signed(a + b, wide); break;
	case NUM_SUB: *out = num_signed(a - b, wide); break;
	case NUM_FP_SUB: *out = num_signed(b - a, wide); break;
	case NUM_MUL: *out = num_signed(a * b, wide); break;
	case NUM_FP_DIV:
		if (a == 0)
			return -EDOM;
		*out = num_signed(b / a, wide);
		break;
	case NUM_FP_REM:
		if (a == 0)
			return -EDOM;
		*out = num_signed(b % a, wide);
		break;
	case NUM_DIV:
		if (b == 0)
			return -EDOM;
		*out = num_signed(
			a / b, wide); /* the one quotient that does not fit wraps: -8388608 / -1 = -8388608 */
		break;
	case NUM_REM:
		if (b == 0)
			return -EDOM;
		*out = num_signed(a % b, wide);
		break;
	case NUM_EQ: *out = num_u24(a == b); break;
	case NUM_NEQ: *out = num_u24(a != b); break;
	case NUM_LT: *out = num_u24(a < b); break;
	case NUM_GT: *out = num_u24(a > b); break;
	case NUM_AND: *out = num_signed(a & b, wide); break;
	case NUM_OR: *out = num_signed(a | b, wide); break;
	case NUM_XOR: *out = num_signed(a ^ b, wide); break;
	default: *out = num_signed(0, wide); break; /* shifts of signed numbers are not defined: +0 */
	}
	return 0;
}

num_always void num_floating_operate(uint32_t op, float a, float b, port *out, const bool wide)
{
	switch (op) {
	case NUM_ADD: *out = num_floating(a + b, wide); break;
	case NUM_SUB: *out = num_floating(a - b, wide); break;
	case NUM_FP_SUB: *out = num_floating(b - a, wide); break;
	case NUM_MUL: *out = num_floating(a * b, wide); break;
	case NUM_DIV: *out = num_floating(a / b, wide); break;
	case NUM_FP_DIV: *out = num_floating(b / a, wide); break;
	case NUM_REM: *out = num_floating(fmodf(a, b), wide); break;
	case NUM_FP_REM: *out = num_floating(fmodf(b, a), wide); break;
	case NUM_EQ: *out = num_u24(a == b); break;
	case NUM_NEQ: *out = num_u24(a != b); break;
	case NUM_LT: *out = num_u24(a < b); break;
	case NUM_GT: *out = num_u24(a > b); break;
	/* What makes no sense on floats does something useful instead. */
	case NUM_AND: *out = num_floating(atan2f(a, b), wide); break;
	case NUM_OR: *out = num_floating(logf(b) / logf(a), wide); break;
	case NUM_XOR: *out = num_floating(powf(a, b), wide); break;
	case NUM_SHL: *out = num_floating(sinf(a + b), wide); break;
	case NUM_SHR: *out = num_floating(tanf(a + b), wide); break;
	default: *out = num_floating(0.0f, wide); break; /* flipped shifts */
	}
}

/* Out of line each: the three of 24 bits are what programs use. */
static int num_u24_operate(uint32_t op, uint32_t a, uint32_t b, port *out)
{
	return num_unsigned_operate(op, a, b, out, false);
}

static int num_i24_operate(uint32_t op, uint32_t a, uint32_t b, port *out)
{
	return num_signed_operate(op, num_i24_value(a), num_i24_value(b), out, false);
}

static int num_f24_operate(uint32_t op, uint32_t a, uint32_t b, port *out)
{
	num_floating_operate(op, num_f24_value(a), num_f24_value(b), out, false);
	return 0;
}

static __attribute__((noinline)) int num_wide_operate(uint32_t type, uint32_t op, uint32_t a, uint32_t b,
						      port *out)
{
	switch (type) {
	case NUM_U32: return num_unsigned_operate(op, a, b, out, true);
	case NUM_I32: return num_signed_operate(op, (int32_t)a, (int32_t)b, out, true);
	default: num_floating_operate(op, num_f32_value(a), num_f32_value(b), out, true); return 0;
	}
}

/* The value of an integer of any type. */
static int64_t num_integer(uint32_t type, uint32_t bits)
{
	return type == NUM_I24 ? num_i24_value(bits) : type == NUM_I32 ? (int32_t)bits : (int64_t)bits;
}

static port num_cast(uint32_t to, port from)
{
	const uint32_t type = num_type(from), bits = num_payload(from);
	const bool floating = type == NUM_F24 || type == NUM_F32;
	const float real = type == NUM_F24   ? num_f24_value(bits)
			   : type == NUM_F32 ? num_f32_value(bits)
					     : (float)num_integer(type, bits);
	const int64_t whole = floating ? 0 : num_integer(type, bits);

	if (type == to)
		return from;
	switch (to) {
	case NUM_U24: return num_u24((uint32_t)(floating ? num_from_float(real, 0, U24_MAX) : whole));
	case NUM_I24: return num_i24(floating ? num_from_float(real, I24_MIN, I24_MAX) : whole);
	case NUM_F24: return num_f24(real);
	case NUM_U32:
		return num_make(NUM_U32, (uint32_t)(floating ? num_from_float(real, 0, UINT32_MAX) : whole));
	case NUM_I32:
		return num_make(NUM_I32,
				(uint32_t)(floating ? num_from_float(real, INT32_MIN, INT32_MAX) : whole));
	default: return num_f32(real);
	}
}

/* Bits of whatever width as a number or partial application of @type. */
static port num_bits(uint32_t type, uint32_t bits)
{
	return num_make(type, num_is_plain(type) && !num_is_wide(type) ? bits & NUM_PAYLOAD_MASK : bits);
}

static bool num_is_partial(uint32_t type)
{
	return type >= NUM_ADD && type <= NUM_FP_SHR;
}

int num_operate(port a, port b, port *out)
{
	uint32_t left, right;

	if (num_type(a) == NUM_SYM && num_type(b) == NUM_SYM) {
		*out = num_u24(0);
		return 0;
	}
	if (num_type(b) == NUM_SYM || (num_type(a) != NUM_SYM && num_is_partial(num_type(b)))) {
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
			*out = num_bits(left & 31, right); /* the operand's type is forgotten here */
		return 0;
	}
	if (!num_is_partial(num_type(a)) || num_is_partial(num_type(b))) {
		*out = num_u24(0); /* two operators or none */
		return 0;
	}
	if (num_is_wide(num_type(b)))
		return num_wide_operate(num_type(b), num_type(a), left, right, out);
	left &= NUM_PAYLOAD_MASK; /* it may have been a wide one's */
	switch (num_type(b)) {
	case NUM_U24: return num_u24_operate(num_type(a), left, right, out);
	case NUM_I24: return num_i24_operate(num_type(a), left, right, out);
	default: return num_f24_operate(num_type(a), left, right, out);
	}
}
