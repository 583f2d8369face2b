/*
 * num_text.c - numbers as text.
 *
 * Reading follows HVM2: a run of letters, digits, + - and . is one number, and what it contains or begins with says of
 * which type. Printing gives floats the fewest digits that read back as the same, in the form in which Rust prints them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "reducer/net/num.h"

/* In the order in which they are tried: none may be a prefix of a later one that should win. */
static const struct {
	char text[4];
	uint8_t code;
} num_ops[] = {
	{ "+", NUM_ADD },  { "-", NUM_SUB },      { ":-", NUM_FP_SUB }, { "*", NUM_MUL },
	{ "/", NUM_DIV },  { ":/", NUM_FP_DIV },  { "%", NUM_REM },     { ":%", NUM_FP_REM },
	{ "=", NUM_EQ },   { "!", NUM_NEQ },      { "<<", NUM_SHL },    { ":<<", NUM_FP_SHL },
	{ ">>", NUM_SHR }, { ":>>", NUM_FP_SHR }, { "<", NUM_LT },      { ">", NUM_GT },
	{ "&", NUM_AND },  { "|", NUM_OR },       { "^", NUM_XOR },
};

static const char num_casts[][4] = { [NUM_U24] = "u24", [NUM_I24] = "i24", [NUM_F24] = "f24",
				     [NUM_U32] = "u32", [NUM_I32] = "i32", [NUM_F32] = "f32" };

static const char *num_op_text(uint32_t code)
{
	for (size_t i = 0; i < sizeof(num_ops) / sizeof(num_ops[0]); i++)
		if (num_ops[i].code == code)
			return num_ops[i].text;
	return "?";
}

/* ---- printing ----------------------------------------------------------------------------------- */

/* Do `digits` (count of them) times a power of ten read back as this value? */
static bool num_reads_back(uint64_t digits, int power, float value)
{
	char text[40];

	snprintf(text, sizeof(text), "%llue%d", (unsigned long long)digits, power);
	return strtof(text, NULL) == value;
}

/*
 * num_shortest() - the fewest decimal digits that read back as @value, which is finite and above 0.
 *
 * The nearest decimal of n digits nearly always does it. Where it does not one of its neighbours may: below a power of
 * two floats are twice as dense as above, so that the interval which reads back is lopsided.
 */
static uint64_t num_shortest(float value, int *power)
{
	for (int count = 1;; count++) {
		char text[40];
		char plain[40];
		uint64_t digits;
		size_t n = 0;

		snprintf(text, sizeof(text), "%.*e", count - 1, (double)value);
		for (const char *c = text; *c != 'e'; c++)
			if (*c != '.')
				plain[n++] = *c;
		plain[n] = 0;
		digits = strtoull(plain, NULL, 10);
		*power = atoi(strchr(text, 'e') + 1) - (count - 1);
		if (count >= 9 || num_reads_back(digits, *power, value))
			return digits;
		if (num_reads_back(digits + 1, *power, value))
			return digits + 1;
		if (num_reads_back(digits - 1, *power, value))
			return digits - 1;
	}
}

/* 0.0001 <= |x| < 1e16 as 12.5, the rest as 1.25e-7. */
static size_t num_print_float(float value, char text[48])
{
	char digits[24];
	const char *sign = signbit(value) ? "-" : "";
	int power, count, point;

	if (isnan(value))
		return (size_t)sprintf(text, "+NaN");
	if (isinf(value))
		return (size_t)sprintf(text, "%sinf", value < 0 ? "-" : "+");
	if (value == 0)
		return (size_t)sprintf(text, "%s0.0", sign);
	count = sprintf(digits, "%llu", (unsigned long long)num_shortest(fabsf(value), &power));
	while (count > 1 && digits[count - 1] == '0') {
		digits[--count] = 0;
		power++;
	}
	point = count + power; /* digits before the point */
	if (fabsf(value) < 1e-4f || fabsf(value) >= 1e16f)
		return (size_t)sprintf(text, "%s%c%s%se%d", sign, digits[0], count > 1 ? "." : "", digits + 1,
				       point - 1);
	if (point <= 0)
		return (size_t)sprintf(text, "%s0.%.*s%s", sign, -point, "000000000000", digits);
	if (point >= count)
		return (size_t)sprintf(text, "%s%s%.*s.0", sign, digits, point - count, "0000000000000000");
	return (size_t)sprintf(text, "%s%.*s.%s", sign, point, digits, digits + point);
}

/* Without printf: results are mostly long lists of these. */
static size_t num_print_u24(uint32_t value, char text[48])
{
	char reversed[10];
	size_t n = 0;

	do
		reversed[n++] = (char)('0' + value % 10);
	while (value /= 10);
	for (size_t i = 0; i < n; i++)
		text[i] = reversed[n - 1 - i];
	text[n] = 0;
	return n;
}

size_t num_print(port p, char text[48])
{
	uint32_t payload = num_payload(p);
	size_t n;

	switch (num_type(p)) {
	case NUM_SYM:
		if (num_is_plain(payload))
			return (size_t)sprintf(text, "[%s]", num_casts[payload]);
		return (size_t)sprintf(text, "[%s]", num_op_text(payload));
	case NUM_U24: return num_print_u24(payload, text);
	case NUM_I24: return (size_t)sprintf(text, "%+d", num_i24_value(payload));
	case NUM_F24: return num_print_float(num_f24_value(payload), text);
	case NUM_U32: return (size_t)sprintf(text, "%" PRIu32 "u32", payload);
	case NUM_I32: return (size_t)sprintf(text, "%+" PRId32 "i32", (int32_t)payload);
	case NUM_F32:
		n = num_print_float(num_f32_value(payload), text);
		return n + (size_t)sprintf(text + n, "f32");
	default:
		if (payload > NUM_PAYLOAD_MASK)
			return (size_t)sprintf(text, "[%s0x%08" PRIX32 "u32]", num_op_text(num_type(p)),
					       payload);
		return (size_t)sprintf(text, "[%s0x%07X]", num_op_text(num_type(p)), payload);
	}
}

/* ---- reading ------------------------------------------------------------------------------------ */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* The letters of @word at the start of @text, in either case; their number or 0. */
static size_t num_word(const char *text, size_t length, const char *word)
{
	size_t n = strlen(word);

	return n <= length && strncasecmp(text, word, n) == 0 ? n : 0;
}

/* Is this [+-] digits [. digits] [e [+-] digits], or an infinity or NaN by name? strtof() accepts more than that. */
static bool num_float_is_valid(const char *text, size_t length)
{
	size_t i = 0, digits = 0, named;

	if (i < length && (text[i] == '+' || text[i] == '-'))
		i++;
	named = num_word(text + i, length - i, "infinity");
	if (!named)
		named = num_word(text + i, length - i, "inf");
	if (!named)
		named = num_word(text + i, length - i, "nan");
	if (named)
		return i + named == length;
	for (; i < length && is_digit(text[i]); i++)
		digits++;
	if (i < length && text[i] == '.')
		for (i++; i < length && is_digit(text[i]); i++)
			digits++;
	if (!digits)
		return false;
	if (i < length && (text[i] == 'e' || text[i] == 'E')) {
		i++;
		if (i < length && (text[i] == '+' || text[i] == '-'))
			i++;
		if (i == length || !is_digit(text[i]))
			return false;
		while (i < length && is_digit(text[i]))
			i++;
	}
	return i == length;
}

static int num_parse_float(const char *text, size_t length, uint32_t type, port *out, const char **why)
{
	char copy[256];

	if (length >= sizeof(copy)) {
		*why = "a number of more than 255 characters";
		return -EBADMSG;
	}
	if (!num_float_is_valid(text, length)) {
		*why = "not a floating number; write it like 1.5, -2.0e-3, +inf or +NaN";
		return -EBADMSG;
	}
	memcpy(copy, text, length);
	copy[length] = 0;
	*out = type == NUM_F32 ? num_f32(strtof(copy, NULL)) : num_f24(strtof(copy, NULL));
	return 0;
}

/* Digits from the start of @text, base 10, 0x or 0b; what follows them in the word is not looked at. */
static int num_parse_int(const char *text, size_t length, uint64_t *value, const char **why)
{
	unsigned base = 10;
	size_t i = 0, first;

	if (length >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'b')) {
		base = text[1] == 'x' ? 16 : 2;
		i = 2;
	}
	*value = 0;
	for (first = i; i < length; i++) {
		unsigned digit = is_digit(text[i])   ? (unsigned)(text[i] - '0')
				 : is_alpha(text[i]) ? (unsigned)((text[i] | 32) - 'a') + 10
						     : base;

		if (digit >= base)
			break;
		if (__builtin_mul_overflow(*value, base, value) ||
		    __builtin_add_overflow(*value, digit, value)) {
			*why = "a number of more than 64 bits";
			return -EBADMSG;
		}
	}
	if (i == first) {
		*why = "a number needs a digit";
		return -EBADMSG;
	}
	return 0;
}

static bool num_contains(const char *text, size_t length, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= length; i++)
		if (memcmp(text + i, word, n) == 0)
			return true;
	return false;
}

/* Does a word end in u32, i32 or f32? f32 at the end of a hexadecimal number are digits. Returns the type, or 0. */
static uint32_t num_wide_suffix(const char *text, size_t length)
{
	if (length < 4)
		return 0;
	for (uint32_t type = NUM_U32; type <= NUM_F32; type++)
		if (memcmp(text + length - 3, num_casts[type], 3) == 0 &&
		    (type != NUM_F32 || text[0] != '0' || (text[1] != 'x' && text[1] != 'b')))
			return type;
	return 0;
}

/* 7u32, +7i32, 1.5f32: a number that does not fit is an error, where 24 bits, as HVM2's, are cut. */
static int num_parse_wide(const char *text, size_t length, uint32_t type, port *out, const char **why)
{
	const bool minus = text[0] == '-', sign = minus || text[0] == '+';
	const bool prefixed = length > sign + 2u && text[sign] == '0' && is_alpha(text[sign + 1]);
	uint64_t value;
	int ret;

	if (type == NUM_F32)
		return num_parse_float(text, length, type, out, why);
	if (type == NUM_U32 && sign) {
		*why = "a u32 has no sign";
		return -EBADMSG;
	}
	for (size_t i = sign; i < length && !prefixed; i++)
		if (!is_digit(text[i])) {
			*why = "a whole number of 32 bits has digits only, like 7u32 or -7i32";
			return -EBADMSG;
		}
	ret = num_parse_int(text + sign, length - sign, &value, why);
	if (ret < 0)
		return ret;
	if (value > (type == NUM_U32 ? (uint64_t)UINT32_MAX : (uint64_t)INT32_MAX + minus)) {
		*why = "a number that does not fit in 32 bits";
		return -EBADMSG;
	}
	*out = num_make(type, minus ? 0 - (uint32_t)value : (uint32_t)value);
	return 0;
}

/* A run of letters, digits, + - and . is one number: float by what it contains, signed by its first character. */
static int num_parse_plain(const char *text, size_t length, size_t *used, port *out, const char **why)
{
	size_t n = 0;
	uint64_t value;
	int ret;

	while (n < length && (is_digit(text[n]) || is_alpha(text[n]) || strchr("+-.", text[n])))
		n++;
	if (n == 0 || memchr(text, 0, n)) {
		*why = "a number is missing";
		return -EBADMSG;
	}
	*used = n;
	if (num_wide_suffix(text, n))
		return num_parse_wide(text, n - 3, num_wide_suffix(text, n), out, why);
	if (num_contains(text, n, ".") || num_contains(text, n, "inf") || num_contains(text, n, "NaN"))
		return num_parse_float(text, n, NUM_F24, out, why);
	if (text[0] == '+' || text[0] == '-') {
		ret = num_parse_int(text + 1, n - 1, &value, why);
		if (ret == 0)
			*out = num_make(NUM_I24,
					(uint32_t)(text[0] == '-' ? 0 - value : value) & NUM_PAYLOAD_MASK);
		return ret;
	}
	ret = num_parse_int(text, n, &value, why);
	if (ret == 0)
		*out = num_u24((uint32_t)value);
	return ret;
}

/* The operator or cast after `[`; its code and length, or length 0. */
static size_t num_parse_op(const char *text, size_t length, uint32_t *code)
{
	for (uint32_t cast = NUM_U24; cast <= NUM_F32; cast++)
		if (num_is_plain(cast) && length >= 3 && memcmp(text, num_casts[cast], 3) == 0) {
			*code = cast;
			return 3;
		}
	for (size_t i = 0; i < sizeof(num_ops) / sizeof(num_ops[0]); i++) {
		size_t n = strlen(num_ops[i].text);

		if (n <= length && memcmp(text, num_ops[i].text, n) == 0) {
			*code = num_ops[i].code;
			return n;
		}
	}
	return 0;
}

static size_t num_skip(const char *text, size_t length, size_t i)
{
	for (;;) {
		while (i < length && is_space(text[i]))
			i++;
		if (length - i < 2 || text[i] != '/' || text[i + 1] != '/')
			return i;
		while (i < length && text[i] != '\n')
			i++;
	}
}

int num_parse(const char *text, size_t length, size_t *used, port *out, const char **why)
{
	size_t i, n;
	uint32_t code = 0;
	int ret;

	*used = 0;
	if (length == 0 || text[0] != '[')
		return num_parse_plain(text, length, used, out, why);
	n = num_parse_op(text + 1, length - 1, &code);
	if (n == 0) {
		*why = "not an operator; one of + - :- * / :/ % :% = ! < > & | ^ << :<< >> :>> u24 i24 f24 "
		       "u32 i32 f32";
		return -EBADMSG;
	}
	i = num_skip(text, length, 1 + n);
	*out = num_make(NUM_SYM, code);
	if (!num_is_plain(code) && i < length && text[i] != ']') {
		ret = num_parse_plain(text + i, length - i, &n, out, why);
		if (ret < 0)
			return ret;
		*out = num_make(code, num_payload(*out));
		i = num_skip(text, length, i + n);
	}
	if (i == length || text[i] != ']') {
		*why = "the `[` of this operator is not closed by `]`";
		return -EBADMSG;
	}
	*used = i + 1;
	return 0;
}
