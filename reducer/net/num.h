/*
 * num.h - numbers inside a port: unsigned, signed and floating, of 24 and of 32 bits, operators, partial applications.
 *
 * The semantics are HVM2's with its corners defined; docs/formats/hvm.md has the table. 32 bits are ours.
 */
#ifndef REDUCER_NET_NUM_H
#define REDUCER_NET_NUM_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "reducer/net/port.h"

/* Field `type` of a NUM port. From NUM_ADD on it is a partial application of that operator. */
enum num_type {
	NUM_SYM = 0, /* an operator or a cast alone; the payload is its code */
	NUM_U24 = 1,
	NUM_I24 = 2,
	NUM_F24 = 3,
	NUM_ADD = 4,
	NUM_SUB = 5,
	NUM_FP_SUB = 6, /* FP: flipped, the operands change places */
	NUM_MUL = 7,
	NUM_DIV = 8,
	NUM_FP_DIV = 9,
	NUM_REM = 10,
	NUM_FP_REM = 11,
	NUM_EQ = 12,
	NUM_NEQ = 13,
	NUM_LT = 14,
	NUM_GT = 15,
	NUM_AND = 16,
	NUM_OR = 17,
	NUM_XOR = 18,
	NUM_SHL = 19,
	NUM_FP_SHL = 20,
	NUM_SHR = 21,
	NUM_FP_SHR = 22,
	/* wide ones, which HVM2 does not have */
	NUM_U32 = 23,
	NUM_I32 = 24,
	NUM_F32 = 25,
};

#define NUM_PAYLOAD_MASK 0xffffffu

static inline port num_make(uint32_t type, uint32_t payload)
{
	return (port)payload << 32 | (port)type << 4 | TAG_NUM;
}

static inline uint32_t num_type(port p)
{
	return (uint32_t)(p >> 4) & 31;
}

static inline uint32_t num_payload(port p)
{
	return (uint32_t)(p >> 32);
}

/* A value, neither an operator nor a partial application of one. */
static inline bool num_is_plain(uint32_t type)
{
	return type - NUM_U24 <= NUM_F24 - NUM_U24 || type - NUM_U32 <= NUM_F32 - NUM_U32;
}

static inline bool num_is_wide(uint32_t type)
{
	return type >= NUM_U32;
}

static inline port num_u24(uint32_t value)
{
	return num_make(NUM_U24, value & NUM_PAYLOAD_MASK);
}

static inline int32_t num_i24_value(uint32_t payload)
{
	return (int32_t)((payload ^ 0x800000u) & NUM_PAYLOAD_MASK) - 0x800000;
}

static inline port num_i24(int64_t value)
{
	return num_make(NUM_I24, (uint32_t)value & NUM_PAYLOAD_MASK);
}

static inline float num_f24_value(uint32_t payload)
{
	uint32_t bits = payload << 8;
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* The low 8 bits go, rounded half to even; a NaN whose payload is only there must not become an infinity. */
static inline port num_f24(float value)
{
	uint32_t bits, kept, lost;

	memcpy(&bits, &value, sizeof(bits));
	kept = bits >> 8;
	lost = bits & 0xff;
	if (isnan(value))
		kept |= 1;
	else if (lost > 0x80 || (lost == 0x80 && (kept & 1)))
		kept++;
	return num_make(NUM_F24, kept & NUM_PAYLOAD_MASK);
}

static inline port num_f32(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return num_make(NUM_F32, bits);
}

static inline float num_f32_value(uint32_t payload)
{
	float value;

	memcpy(&value, &payload, sizeof(value));
	return value;
}

/* What a switch hands on: the bits less one, as u24; wide integers stay what they are. The payload is not 0. */
static inline port num_less_one(port p)
{
	const uint32_t type = num_type(p), less = num_payload(p) - 1;

	return type == NUM_U32 || type == NUM_I32 ? num_make(type, less) : num_u24(less);
}

/*
 * num_operate() - what $(b r) makes of a ~ when both are numbers: a value, a partial application, or a cast.
 * @out: the result
 *
 * Return: 0, or -EDOM for an integer divided by zero (both HVM2 runtimes die there).
 */
int num_operate(port a, port b, port *out);

/* num_print() - as HVM2's Rust runtime prints it; returns the length, at most 47. */
size_t num_print(port p, char text[48]);

/*
 * num_parse() - read one literal: a number or a bracketed operator.
 * @length: bytes available; on success *used is how many it took
 *
 * Return: 0 or -EBADMSG with *why.
 */
int num_parse(const char *text, size_t length, size_t *used, port *out, const char **why);

#endif
