/*
 * test_num.c - numbers: every operator in every type, casts, partial applications, reading, printing.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "reducer/net/num.h"
#include "tests/support/support.h"

static port read_number(const char *text)
{
	const char *why = "";
	size_t used;
	port p;

	if (num_parse(text, strlen(text), &used, &p, &why) < 0)
		fail_msg("%s: %s", text, why);
	if (used != strlen(text))
		fail_msg("%s: only %zu bytes read", text, used);
	return p;
}

static const char *shown(port p)
{
	static char text[4][48];
	static int turn;

	size_t length;

	turn = (turn + 1) % 4;
	length = num_print(p, text[turn]);
	assert_int_equal(length, strlen(text[turn]));
	return text[turn];
}

static const char *operate(const char *a, const char *b)
{
	port out;
	int ret = num_operate(read_number(a), read_number(b), &out);

	if (ret == -EDOM)
		return "error";
	assert_int_equal(ret, 0);
	return shown(out);
}

/* What x ~ $([op] $(y r)) gives: y meets the operator first. */
static const char *apply(const char *x, const char *op, const char *y)
{
	port partial, out;
	int ret;

	assert_int_equal(num_operate(read_number(op), read_number(x), &partial), 0);
	ret = num_operate(partial, read_number(y), &out);
	if (ret == -EDOM)
		return "error";
	assert_int_equal(ret, 0);
	return shown(out);
}

static void the_examples_of_the_format_hold(void **state)
{
	static const char *const cases[][3] = {
		{ "5", "[-3]", "16777214" },
		{ "5", "[:-3]", "2" },
		{ "+5", "[-+8]", "+3" },
		{ "7", "[<5]", "1" },
		{ "5", "[<<23]", "736" },
		{ "5", "[:<<23]", "8388608" },
		{ "3", "[+1.5]", "4177923" },
		{ "[+]", "3", "[+0x0000003]" },
		{ "3", "[+]", "[+0x0000003]" },
		{ "[+]", "[-]", "0" },
		{ "[+1]", "[-2]", "0" },
		{ "1", "2", "0" },
		{ "+1", "2.5", "0" },
		{ "[u24]", "[+5]", "5" },
		{ "[i24]", "[+16777215]", "-1" },
		{ "[*]", "[+5]", "[*0x0000005]" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_string_equal(operate(cases[i][0], cases[i][1]), cases[i][2]);
		assert_string_equal(operate(cases[i][1], cases[i][0]),
				    cases[i][2]); /* order does not matter */
	}
	assert_string_equal(apply("5", "[-]", "3"), "2"); /* the first number is the left operand */
}

static void unsigned_numbers_wrap_at_24_bits(void **state)
{
	static const char *const cases[][4] = {
		{ "10", "[+]", "2", "12" },        { "10", "[-]", "2", "8" },
		{ "10", "[:-]", "2", "16777208" }, { "10", "[*]", "2", "20" },
		{ "10", "[/]", "2", "5" },         { "10", "[:/]", "25", "2" },
		{ "10", "[%]", "4", "2" },         { "10", "[:%]", "25", "5" },
		{ "10", "[=]", "2", "0" },         { "10", "[=]", "10", "1" },
		{ "10", "[!]", "2", "1" },         { "10", "[<]", "2", "0" },
		{ "2", "[<]", "10", "1" },         { "10", "[>]", "2", "1" },
		{ "10", "[&]", "2", "2" },         { "10", "[|]", "5", "15" },
		{ "10", "[^]", "2", "8" },         { "10", "[<<]", "2", "40" },
		{ "10", "[>>]", "2", "2" },        { "0", "[-]", "1", "16777215" },
		{ "16777215", "[+]", "1", "0" },   { "16777215", "[*]", "16777215", "1" },
		{ "16777215", "[>>]", "22", "3" }, { "1", "[<<]", "23", "8388608" },
		{ "1", "[<<]", "24", "0" },        { "1", "[<<]", "25", "0" },
		{ "1", "[<<]", "31", "0" },        { "1", "[<<]", "32", "1" },
		{ "1", "[<<]", "33", "2" },        { "5", "[:<<]", "3", "96" },
		{ "3", "[:>>]", "40", "5" },       { "16777215", "[<]", "0", "0" },
		{ "10", "[/]", "0", "error" },     { "10", "[%]", "0", "error" },
		{ "0", "[:/]", "10", "error" },    { "0", "[:%]", "10", "error" },
		{ "0", "[/]", "10", "0" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_string_equal(apply(cases[i][0], cases[i][1], cases[i][2]), cases[i][3]);
}

static void signed_numbers_are_twos_complement_of_24_bits(void **state)
{
	static const char *const cases[][4] = {
		{ "+10", "[+]", "+2", "+12" },
		{ "+10", "[-]", "+2", "+8" },
		{ "+10", "[:-]", "+2", "-8" },
		{ "+10", "[*]", "-2", "-20" },
		{ "+10", "[/]", "+3", "+3" },
		{ "-10", "[/]", "+3", "-3" },
		{ "+3", "[:/]", "-10", "-3" },
		{ "+3", "[%]", "+2", "+1" },
		{ "+3", "[%]", "-2", "+1" },
		{ "-3", "[%]", "+2", "-1" },
		{ "-3", "[%]", "-2", "-1" },
		{ "+2", "[:%]", "-3", "-1" },
		{ "+10", "[=]", "+2", "0" },
		{ "+10", "[!]", "+2", "1" },
		{ "-10", "[<]", "+2", "1" },
		{ "-10", "[>]", "+2", "0" },
		{ "-1", "[&]", "+5", "+5" },
		{ "-8", "[|]", "+5", "-3" },
		{ "-1", "[^]", "+5", "-6" },
		{ "-8388608", "[-]", "+1", "+8388607" },
		{ "+8388607", "[+]", "+1", "-8388608" },
		{ "-8388608", "[/]", "-1", "-8388608" },
		{ "-8388608", "[%]", "-1", "+0" },
		{ "-8388608", "[*]", "-8388608", "+0" },
		{ "+1", "[<<]", "+2", "+0" },
		{ "+1", "[>>]", "+2", "+0" },
		{ "+1", "[:<<]", "+2", "+0" },
		{ "+1", "[:>>]", "+2", "+0" },
		{ "+1", "[/]", "+0", "error" },
		{ "+1", "[%]", "+0", "error" },
		{ "+0", "[:/]", "+1", "error" },
		{ "+0", "[:%]", "+1", "error" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_string_equal(apply(cases[i][0], cases[i][1], cases[i][2]), cases[i][3]);
}

static void floating_numbers_divide_by_zero_and_know_some_functions(void **state)
{
	static const char *const cases[][4] = {
		{ "1.0", "[/]", "0.0", "+inf" },
		{ "-1.0", "[/]", "0.0", "-inf" },
		{ "0.0", "[/]", "0.0", "+NaN" },
		{ "0.5", "[+]", "2.0", "2.5" },
		{ "0.5", "[-]", "2.0", "-1.5" },
		{ "0.5", "[:-]", "2.0", "1.5" },
		{ "0.5", "[*]", "2.3", "1.1499939" },
		{ "0.5", "[/]", "2.0", "0.25" },
		{ "0.5", "[:/]", "2.0", "4.0" },
		{ "0.5", "[%]", "2.0", "0.5" },
		{ "2.0", "[:%]", "5.0", "1.0" },
		{ "0.5", "[=]", "2.0", "0" },
		{ "0.5", "[!]", "2.0", "1" },
		{ "0.5", "[<]", "2.0", "1" },
		{ "0.5", "[>]", "2.0", "0" },
		{ "+NaN", "[=]", "+NaN", "0" },
		{ "+NaN", "[!]", "+NaN", "1" },
		{ "+NaN", "[<]", "+NaN", "0" },
		{ "+NaN", "[>]", "+NaN", "0" },
		{ "+NaN", "[+]", "0.0", "+NaN" },
		{ "+inf", "[+]", "0.0", "+inf" },
		{ "-inf", "[+]", "0.0", "-inf" },
		{ "1.02", "[+]", "0.0", "1.019989" },
		{ "+1.2", "[%]", "+1.1", "0.1000061" },
		{ "+1.2", "[%]", "-1.1", "0.1000061" },
		{ "-1.2", "[%]", "+1.1", "-0.1000061" },
		{ "-1.2", "[%]", "-1.1", "-0.1000061" },
		{ "+0.0", "[<<]", "+3.14159265", "-8.908799e-6" },
		{ "+1.570796325", "[<<]", "+0.0", "1.0" },
		{ "+0.0", "[>>]", "+3.14159265", "8.908799e-6" },
		{ "+0.785398162", "[>>]", "+0.0", "1.0" },
		{ "0.0", "[&]", "1.0", "0.0" },
		{ "1.0", "[&]", "0.0", "1.5708008" },
		{ "2.0", "[|]", "8.0", "3.0" },
		{ "2.0", "[^]", "10.0", "1024.0" },
		{ "1.0", "[:<<]", "2.0", "0.0" },
		{ "1.0", "[:>>]", "2.0", "0.0" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_string_equal(apply(cases[i][0], cases[i][1], cases[i][2]), cases[i][3]);
}

static void casts_reinterpret_truncate_and_saturate(void **state)
{
	static const char *const cases[][3] = {
		{ "[u24]", "0", "0" },
		{ "[u24]", "1234", "1234" },
		{ "[u24]", "+4321", "4321" },
		{ "[u24]", "-5678", "16771538" },
		{ "[u24]", "2.8", "2" },
		{ "[u24]", "-12.5", "0" },
		{ "[u24]", "16777216.0", "16777215" },
		{ "[u24]", "+inf", "16777215" },
		{ "[u24]", "-inf", "0" },
		{ "[u24]", "+NaN", "0" },
		{ "[i24]", "0", "+0" },
		{ "[i24]", "1234", "+1234" },
		{ "[i24]", "16777215", "-1" },
		{ "[i24]", "+4321", "+4321" },
		{ "[i24]", "-5678", "-5678" },
		{ "[i24]", "2.8", "+2" },
		{ "[i24]", "-12.7", "-12" },
		{ "[i24]", "8388610.0", "+8388607" },
		{ "[i24]", "-8388610.0", "-8388608" },
		{ "[i24]", "+inf", "+8388607" },
		{ "[i24]", "-inf", "-8388608" },
		{ "[i24]", "+NaN", "+0" },
		{ "[f24]", "+NaN", "+NaN" },
		{ "[f24]", "+inf", "+inf" },
		{ "[f24]", "-inf", "-inf" },
		{ "[f24]", "2.15", "2.1500244" },
		{ "[f24]", "-2.15", "-2.1500244" },
		{ "[f24]", "0.15", "0.15000153" },
		{ "[f24]", "-1234", "-1234.0" },
		{ "[f24]", "+1234", "1234.0" },
		{ "[f24]", "123456", "123456.0" },
		{ "[f24]", "16775982", "16775936.0" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_string_equal(operate(cases[i][0], cases[i][1]), cases[i][2]);
		assert_string_equal(operate(cases[i][1], cases[i][0]), cases[i][2]);
	}
}

static void wide_numbers_have_all_their_32_bits(void **state)
{
	static const char *const cases[][4] = {
		{ "4294967295u32", "[+]", "1u32", "0u32" },
		{ "0u32", "[-]", "1u32", "4294967295u32" },
		{ "65536u32", "[*]", "65537u32", "65536u32" },
		{ "4294967295u32", "[/]", "2u32", "2147483647u32" },
		{ "4294967295u32", "[%]", "10u32", "5u32" },
		{ "5u32", "[:/]", "4000000000u32", "800000000u32" },
		{ "4294967295u32", "[>]", "1u32", "1" },
		{ "4294967295u32", "[=]", "4294967295u32", "1" },
		{ "1u32", "[<<]", "31u32", "2147483648u32" },
		{ "2147483648u32", "[>>]", "31u32", "1u32" },
		{ "1u32", "[/]", "0u32", "error" },
		{ "0u32", "[:%]", "1u32", "error" },
		{ "2147483647i32", "[+]", "1i32", "-2147483648i32" },
		{ "-2147483648i32", "[/]", "-1i32", "-2147483648i32" },
		{ "-2147483648i32", "[%]", "-1i32", "+0i32" },
		{ "-7i32", "[/]", "+2i32", "-3i32" },
		{ "-1i32", "[<]", "0i32", "1" },
		{ "-1i32", "[&]", "255i32", "+255i32" },
		{ "1i32", "[%]", "0i32", "error" },
		{ "16777216f32", "[+]", "1f32", "16777216.0f32" },
		{ "1.1f32", "[*]", "1.1f32", "1.21f32" },
		{ "1f32", "[/]", "0f32", "+inff32" },
		{ "2f32", "[^]", "10f32", "1024.0f32" },
		{ "1.5f32", "[<]", "1.25f32", "0" },
		/* the second one's type selects the arithmetic, the first one's bits are what they are */
		{ "7", "[+]", "4294967290u32", "1u32" },
		{ "4294967290u32", "[+]", "7", "1" },
		{ "4294967295u32", "[/]", "5", "3355443" },
		{ "4294967295u32", "[=]", "16777215", "1" },
	};
	static const char *const casts[][3] = {
		{ "[u32]", "-1", "4294967295u32" },
		{ "[u32]", "16777215", "16777215u32" },
		{ "[i32]", "-8388608", "-8388608i32" },
		{ "[i32]", "4294967295u32", "-1i32" },
		{ "[u24]", "4294967295u32", "16777215" },
		{ "[i24]", "-1i32", "-1" },
		{ "[i24]", "8388608i32", "-8388608" },
		{ "[f32]", "1.5", "1.5f32" },
		{ "[f24]", "1.5f32", "1.5" },
		{ "[f32]", "4294967295u32", "4294967300.0f32" },
		{ "[u32]", "-1.5f32", "0u32" },
		{ "[u32]", "1e20f32", "4294967295u32" },
		{ "[i32]", "-1e20f32", "-2147483648i32" },
		{ "[i32]", "+NaNf32", "+0i32" },
		{ "[u24]", "[+0x12345678u32]", "3430008" },
		{ "[u32]", "[+0x12345678u32]", "305419896u32" },
		{ "[+]", "305419896u32", "[+0x12345678u32]" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_string_equal(apply(cases[i][0], cases[i][1], cases[i][2]), cases[i][3]);
	for (size_t i = 0; i < COUNT_OF(casts); i++)
		assert_string_equal(operate(casts[i][0], casts[i][1]), casts[i][2]);
}

static void wide_literals_fit_or_are_refused(void **state)
{
	static const char *const good[][2] = {
		{ "0xffffffffu32", "4294967295u32" },
		{ "0b1i32", "+1i32" },
		{ "-0x80000000i32", "-2147483648i32" },
		{ "1e3f32", "1000.0f32" },
		{ "-inff32", "-inff32" },
		{ "0x1f32", "7986" },
		{ "7u324", "7" },
		{ "[+7u32]", "[+0x0000007]" },
	};
	static const char *const bad[] = { "4294967296u32",  "-1u32",   "+1u32", "2147483648i32",
					   "-2147483649i32", "1.5i32",  "x7u32", "-i32",
					   "0xi32",          "1.2.3f32" };
	const char *why = NULL;
	size_t used;
	port p;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++)
		assert_string_equal(shown(read_number(good[i][0])), good[i][1]);
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (num_parse(bad[i], strlen(bad[i]), &used, &p, &why) == 0 && used == strlen(bad[i]))
			fail_msg("%s was read as %s", bad[i], shown(p));
}

/* What a switch hands on. */
static void one_less_of_a_wide_integer_is_wide(void **state)
{
	(void)state;
	assert_string_equal(shown(num_less_one(read_number("4294967295u32"))), "4294967294u32");
	assert_string_equal(shown(num_less_one(read_number("-1i32"))), "-2i32");
	assert_string_equal(shown(num_less_one(read_number("-1"))), "16777214");
	assert_string_equal(shown(num_less_one(read_number("7"))), "6");
}

static void every_pair_of_types_and_operators_is_defined(void **state)
{
	static const uint32_t payloads[] = { 0,         1,          2,          4,          22,
					     23,        24,         31,         0x7fffff,   0x800000,
					     0x3f8000,  0x7f8000,   0x7fc001,   0xff8000,   0xffffff,
					     0x1000000, 0x3f800000, 0x80000000, 0x7f800000, 0xffffffff };
	port out;

	(void)state;
	for (uint32_t t = NUM_SYM; t <= NUM_F32; t++)
		for (uint32_t u = NUM_SYM; u <= NUM_F32; u++)
			for (size_t i = 0; i < COUNT_OF(payloads) * COUNT_OF(payloads); i++) {
				uint32_t a = payloads[i % COUNT_OF(payloads)],
					 b = payloads[i / COUNT_OF(payloads)];
				int ret;

				if ((t == NUM_SYM && (a == 0 || a > NUM_F32)) ||
				    (u == NUM_SYM && (b == 0 || b > NUM_F32)))
					continue; /* no such operator */
				if ((t <= NUM_F24 && a > NUM_PAYLOAD_MASK) ||
				    (u <= NUM_F24 && b > NUM_PAYLOAD_MASK))
					continue; /* no such number */
				ret = num_operate(num_make(t, a), num_make(u, b), &out);
				assert_true(ret == 0 || ret == -EDOM);
				if (ret < 0)
					continue;
				assert_int_equal(port_tag(out), TAG_NUM);
				assert_true(num_type(out) <= NUM_F32);
				assert_true(num_payload(out) <= NUM_PAYLOAD_MASK || num_type(out) > NUM_F24);
				assert_true(out == num_make(num_type(out), num_payload(out)));
				assert_true(num_type(out) != NUM_SYM);
			}
}

static void literals_are_read_as_hvm2_reads_them(void **state)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{ "0", "0" },
		{ "16777216", "0" },
		{ "18446744073709551615", "16777215" },
		{ "0x10", "16" },
		{ "0xfFfF", "65535" },
		{ "0b101", "5" },
		{ "+0x10", "+16" },
		{ "-0b11", "-3" },
		{ "-8388609", "+8388607" },
		{ "12abc", "12" },
		{ "1e5", "1" },
		{ "1.5e3", "1500.0" },
		{ "1.", "1.0" },
		{ "-.5", "-0.5" },
		{ "-0.0", "-0.0" },
		{ "-NaN", "+NaN" },
		{ "+infinity", "+inf" },
		{ "1.0e39", "+inf" },
		{ "[ + ]", NULL },
		{ "[+ ]", "[+]" },
		{ "[+ 5 ]", "[+0x0000005]" },
		{ "[+ // why\n5]", "[+0x0000005]" },
		{ "[:<<0xff]", "[:<<0x00000FF]" },
		{ "[!1]", "[!0x0000001]" },
		{ "[u24]", "[u24]" },
		{ "[u24 ]", NULL },
		{ "", NULL },
		{ "x", NULL },
		{ "+", NULL },
		{ "0x", NULL },
		{ "0b2", NULL },
		{ "[", NULL },
		{ "[+", NULL },
		{ "[+5", NULL },
		{ "[+x]", NULL },
		{ "[?]", NULL },
		{ "[u24 5]", NULL },
		{ "1.5.5", NULL },
		{ "1.5e", NULL },
		{ "1.5f", NULL },
		{ "0x1.8p3", NULL },
		{ "+nan", NULL },
		{ "18446744073709551616", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *why = NULL;
		size_t used;
		port p;
		int ret = num_parse(cases[i].text, strlen(cases[i].text), &used, &p, &why);

		if (!cases[i].shown && strcmp(cases[i].text, "[u24 ]") != 0 && ret == 0)
			fail_msg("%s is read as %s", cases[i].text, shown(p));
		if (!cases[i].shown)
			continue;
		if (ret < 0)
			fail_msg("%s: %s", cases[i].text, why);
		assert_string_equal(shown(p), cases[i].shown);
	}
}

static void what_is_printed_reads_back_as_the_same(void **state)
{
	(void)state;
	for (uint32_t type = NUM_U24; type <= NUM_FP_SHR; type++)
		for (uint32_t bits = 0; bits <= NUM_PAYLOAD_MASK;
		     bits += type == NUM_F24 ? LONG_LOOP(10) * 97 + 1 : 65521) {
			port p = num_make(type, bits);
			const char *text = shown(p);
			port again = read_number(text);

			if (type == NUM_F24 && strcmp(text, "+NaN") == 0)
				continue; /* one NaN stands for all */
			if (again != p)
				fail_msg("%s: type %u payload %06x became %06x", text, type, bits,
					 num_payload(again));
		}
	for (uint32_t type = NUM_ADD; type <= NUM_F32; type++)
		for (uint64_t bits = 0; bits <= UINT32_MAX; bits += LONG_LOOP(10) * 99991 + 1) {
			port p = num_make(type, (uint32_t)bits);
			const char *text = shown(p);

			if (strcmp(text, "+NaNf32") != 0 && read_number(text) != p)
				fail_msg("%s: type %u payload %08x", text, type, (uint32_t)bits);
		}
	for (uint32_t code = NUM_U24; code <= NUM_F32; code++) {
		port p = num_make(NUM_SYM, code);

		assert_true(read_number(shown(p)) == p);
	}
}

/* The digits are the fewest that read back: one digit less never does, whichever neighbour is tried. */
static void floats_are_printed_with_the_fewest_digits(void **state)
{
	(void)state;
	for (uint32_t bits = 1; bits < 0x7f8000; bits += LONG_LOOP(10) * 13 + 1) {
		const char *text = shown(num_make(NUM_F24, bits));
		char digits[48], shorter[64];
		const char *e = strchr(text, 'e');
		size_t n = 0, point = 0;
		long value;

		for (const char *c = text; *c && c != e; c++) {
			if (*c == '.')
				point = n;
			else
				digits[n++] = *c;
		}
		digits[n] = 0;
		while (n > 1 && digits[n - 1] == '0')
			digits[--n] = 0;
		if (n < 2)
			continue;
		if (!strchr(text, '.'))
			point = 1;
		value = strtol(digits, NULL, 10) / 10;
		for (long v = value; v <= value + 1; v++) {
			float f, wanted;
			uint32_t wide = bits << 8;

			memcpy(&wanted, &wide, sizeof(wanted));
			snprintf(shorter, sizeof(shorter), "%lde%ld", v,
				 (e ? strtol(e + 1, NULL, 10) : 0) + (long)point - ((long)n - 1));
			f = strtof(shorter, NULL);
			if (f == wanted)
				fail_msg("%s could be %s", text, shorter);
		}
	}
}

static void floats_take_the_form_rust_gives_them(void **state)
{
	static const struct {
		uint32_t bits; /* of the f32 */
		const char *text;
	} cases[] = {
		{ 0x00000000, "0.0" },
		{ 0x80000000, "-0.0" },
		{ 0x3f800000, "1.0" },
		{ 0x41200000, "10.0" },
		{ 0x447a0000, "1000.0" },
		{ 0x3dcccd00, "0.10000038" },
		{ 0x38d1b700, "9.999983e-5" },
		{ 0x38d1b800, "0.00010000169" },
		{ 0x5a0e1c00, "1.0000058e16" },
		{ 0x5a0e1b00, "9999783000000000.0" },
		{ 0x7f7fff00, "3.4027717e38" },
		{ 0x00800000, "1.1754944e-38" },
		{ 0x00000100, "3.59e-43" },
		{ 0x4b800000, "16777216.0" },
		{ 0x59800000, "4503599600000000.0" },
		{ 0x7f800000, "+inf" },
		{ 0xff800000, "-inf" },
		{ 0x7fc00000, "+NaN" },
		{ 0xffc00000, "+NaN" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_string_equal(shown(num_make(NUM_F24, cases[i].bits >> 8)), cases[i].text);
}

static void rounding_to_24_bits_is_half_to_even(void **state)
{
	static const struct {
		const char *text;
		uint32_t payload;
	} cases[] = {
		{ "1.0", 0x3f8000 },
		{ "1.0000152587890625", 0x3f8000 }, /* exactly half: to even, which is below */
		{ "1.0000152587890626", 0x3f8000 }, /* as f32 it is the half */
		{ "1.000015377998", 0x3f8001 },     /* one f32 above the half */
		{ "1.0000457763671875", 0x3f8002 }, /* half again: to even, which is above */
		{ "3.4028234e38", 0x7f8000 },       /* the largest f32 rounds to infinity */
		{ "+NaN", 0x7fc001 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(num_payload(read_number(cases[i].text)), cases[i].payload);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_examples_of_the_format_hold),
		cmocka_unit_test(unsigned_numbers_wrap_at_24_bits),
		cmocka_unit_test(signed_numbers_are_twos_complement_of_24_bits),
		cmocka_unit_test(floating_numbers_divide_by_zero_and_know_some_functions),
		cmocka_unit_test(casts_reinterpret_truncate_and_saturate),
		cmocka_unit_test(wide_numbers_have_all_their_32_bits),
		cmocka_unit_test(wide_literals_fit_or_are_refused),
		cmocka_unit_test(one_less_of_a_wide_integer_is_wide),
		cmocka_unit_test(every_pair_of_types_and_operators_is_defined),
		cmocka_unit_test(literals_are_read_as_hvm2_reads_them),
		cmocka_unit_test(what_is_printed_reads_back_as_the_same),
		cmocka_unit_test(floats_are_printed_with_the_fewest_digits),
		cmocka_unit_test(floats_take_the_form_rust_gives_them),
		cmocka_unit_test(rounding_to_24_bits_is_half_to_even),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
