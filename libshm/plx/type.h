/* type.h - a C type declared once: its description, its hash, and views of buffers that are checked against it. */
#ifndef PLX_TYPE_H
#define PLX_TYPE_H

#ifdef __cplusplus
#include <type_traits>
#endif

#include <plx/buffer.h>
#include <plx/publisher.h>

/*
 *	struct tick {
 *		uint64_t time_ns;
 *		double price;
 *		char symbol[8];
 *	};
 *	PLX_TYPE(tick, struct tick, time_ns, price, symbol);
 *
 *	publisher:   opt.type = plx_type_id(PLX_TYPE_OF(tick));
 *	             struct tick *t = plx_loan_view(&loan, tick);       write into it, publish sizeof(*t)
 *	subscriber:  opt.type = plx_type_id(PLX_TYPE_OF(tick));         others are refused at connect
 *	             const struct tick *t = plx_view(&buffer, tick);    NULL: see plx_view_error()
 *
 * The hash is taken over the description: name, size, alignment, and of each field its kind, name, number of elements
 * and offset. Its lower half is the type id that travels in handshake and entries. Two different types that meet have
 * the same id by chance once in 2^32; a program of 1000 types has such a pair once in 8600. It guards against
 * mistakes, not against malice: who may write a message may give it any id, and a view holds bytes of any value.
 */

/* What a field is made of. A struct, a union and an array of arrays are bytes: declare nested types, too, or flatten them. */
#define PLX_FIELD_BYTES 'x'
#define PLX_FIELD_BOOL  'b'
#define PLX_FIELD_CHAR  'c'
#define PLX_FIELD_INT   'i' /* with a sign */
#define PLX_FIELD_UINT  'u'
#define PLX_FIELD_FLOAT 'f'

struct plx_field {
	const char *name;
	uint32_t offset;  /* bytes */
	uint32_t size;    /* bytes, of all elements */
	uint32_t element; /* bytes of one element */
	int kind;         /* PLX_FIELD_* */
};

/* Made by PLX_TYPE. */
struct plx_type {
	const char *name;
	uint64_t size;  /* bytes */
	uint32_t align; /* bytes */
	uint32_t count; /* fields */
	const struct plx_field *fields;
	uint32_t id; /* 0 until somebody asked for it; see plx_type_id() */
	uint32_t reserved;
};

/**
 * PLX_TYPE() - declare a type that travels: PLX_TYPE(NAME, TYPE, FIELD, ...), 1 to 32 fields.
 *
 * NAME is what PLX_TYPE_OF(), plx_view() and plx_loan_view() take, and part of the hash; TYPE is any struct or typedef
 * whose fields mean the same in another process: one that is a pointer does not compile. What lies between the fields is
 * not compared.
 */
/* clang-format off */
#define PLX_TYPE(plx_name, plx_c_type, ...) \
	typedef plx_c_type plx_name##_plx_c; \
	static const struct plx_field plx_name##_plx_fields[] = { \
		PLX_EACH_(PLX_FIELD_, plx_name##_plx_c, __VA_ARGS__) }; \
	static struct plx_type plx_name##_plx_type __attribute__((unused)) = { \
		#plx_name, sizeof(plx_name##_plx_c), (uint32_t)__alignof__(plx_name##_plx_c), \
		(uint32_t)(sizeof(plx_name##_plx_fields) / sizeof(struct plx_field)), plx_name##_plx_fields, 0, 0 }
/* clang-format on */

/* The struct plx_type of a name given to PLX_TYPE(). */
#define PLX_TYPE_OF(plx_name) (&plx_name##_plx_type)

PLX_BEGIN

/** plx_type_id() - what plx_publisher_options.type, plx_subscriber_options.type and plx_loan.type want; never 0. */
uint32_t plx_type_id(struct plx_type *type);

/** plx_type_hash() - all 64 bits. */
uint64_t plx_type_hash(const struct plx_type *type);

/**
 * plx_type_text() - the description, as in "tick (24 bytes, aligned to 8): u64 time_ns @0, f64 price @8, char symbol[8] @16".
 *
 * Return: as snprintf(): the length it has, or would have if @size were large enough.
 */
int plx_type_text(const struct plx_type *type, char *text, size_t size);

/**
 * plx_type_known() - the description of the type with that id, if this process asked for its id with plx_type_id().
 *
 * Return: a text that stays, or NULL.
 * Safety: any thread.
 */
const char *plx_type_known(uint32_t id);

/**
 * plx_view_check() - is @buffer one value of @type, or several of them?
 *
 * Remembers the answer in @buffer. plx_view() calls it when nothing is remembered.
 *
 * Return: 0, -EPROTOTYPE (of another type), -EMSGSIZE (no multiple of its size, or empty), -EFAULT (not aligned as the
 *         type wants it; what lies in a log entry is aligned to 8 bytes, see plx_publisher_send_as()).
 */
int plx_view_check(struct plx_buffer *buffer, struct plx_type *type) plx_must_check;

/**
 * plx_view_error() - why plx_view() said NULL: both descriptions, for people.
 *
 * Return: what plx_view_check() says, or -EMSGSIZE when there are several values; @text is "" when it is 0.
 */
int plx_view_error(const struct plx_buffer *buffer, struct plx_type *type, char *text, size_t size);

/** plx_view_at() - what plx_view() calls. Two loads and two comparisons once the buffer was checked. */
static inline const void *plx_view_at(struct plx_buffer *buffer, struct plx_type *type)
{
	/* relaxed: a number that never changes once it is there */
	uint32_t id = __atomic_load_n(&type->id, __ATOMIC_RELAXED);

	if (plx_likely(id != 0 && buffer->viewed == id && buffer->length == type->size))
		return buffer->data;
	if (plx_view_check(buffer, type) == 0 && buffer->length == type->size)
		return buffer->data;
	return NULL;
}

/** plx_view_array_at() - what plx_view_array() calls. */
static inline const void *plx_view_array_at(struct plx_buffer *buffer, struct plx_type *type, uint64_t *count)
{
	if (plx_view_check(buffer, type) < 0)
		return NULL;
	*count = buffer->length / type->size;
	return buffer->data;
}

/** plx_loan_view_at() - what plx_loan_view() calls. */
static inline void *plx_loan_view_at(struct plx_loan *loan, struct plx_type *type)
{
	if (loan->capacity < type->size || (uintptr_t)loan->data % type->align != 0)
		return NULL;
	loan->type = plx_type_id(type);
	return loan->data;
}

/**
 * plx_publisher_send_as() - publish a copy of the value at @value, with its type id.
 *
 * Also a small one goes into a slot when it wants to be aligned to more than 8 bytes, or is not what the publisher sends by
 * default: so that a view of it can be had.
 *
 * Return: as plx_publisher_send().
 */
int plx_publisher_send_as(struct plx_publisher *pub, struct plx_type *type, const void *value) plx_must_check;

PLX_END

/** plx_view() - the value in a buffer: const TYPE *, or NULL when it is not one. Checked once for each buffer. */
#define plx_view(buffer, plx_name) ((const plx_name##_plx_c *)plx_view_at((buffer), PLX_TYPE_OF(plx_name)))

/** plx_view_array() - the values in a buffer: const TYPE *, with their number in *@count; or NULL. */
#define plx_view_array(buffer, plx_name, count)                                                              \
	((const plx_name##_plx_c *)plx_view_array_at((buffer), PLX_TYPE_OF(plx_name), (count)))

/** plx_loan_view() - write a value into a loan: TYPE *, or NULL when the loan is too small. Sets its type id. */
#define plx_loan_view(loan, plx_name) ((plx_name##_plx_c *)plx_loan_view_at((loan), PLX_TYPE_OF(plx_name)))

/* ---- how PLX_TYPE works ---------------------------------------------------------------------------- */

/* One field. In C what it is follows from the type of its address: T * is one, T (*)[] several. */
#define PLX_FIELD_(plx_c_type, field)                                                                        \
	{                                                                                                    \
#field, (uint32_t)offsetof(plx_c_type, field), (uint32_t)sizeof(((plx_c_type *)0)->field),   \
			(uint32_t)(PLX_CODE_OF_(plx_c_type, field) & 0xff)                                   \
			? (uint32_t)(PLX_CODE_OF_(plx_c_type, field) &                                       \
				     0xff) : (uint32_t)sizeof(((plx_c_type *)0)->field),                     \
			(int)(PLX_CODE_OF_(plx_c_type, field) >> 8)                                          \
	}

#define PLX_CODE_(kind, size) ((unsigned int)(kind) << 8 | (unsigned int)(size))

#ifdef __cplusplus
template <typename T> struct plx_same {
	typedef T type;
};
template <typename T> struct plx_code {
	static_assert(!std::is_pointer<T>::value, "a pointer means nothing in another process");
	typedef typename std::remove_extent<T>::type E;
	typedef typename std::conditional<std::is_enum<E>::value, std::underlying_type<E>,
					  plx_same<E>>::type::type N;
	static constexpr unsigned int value = std::is_same<E, char>::value ? PLX_CODE_(PLX_FIELD_CHAR, 1)
					      : std::is_same<E, bool>::value
						      ? PLX_CODE_(PLX_FIELD_BOOL, sizeof(E))
					      : std::is_floating_point<E>::value
						      ? PLX_CODE_(PLX_FIELD_FLOAT, sizeof(E))
					      : !std::is_integral<N>::value || sizeof(E) > 8
						      ? PLX_CODE_(PLX_FIELD_BYTES, 0)
					      : std::is_signed<N>::value
						      ? PLX_CODE_(PLX_FIELD_INT, sizeof(E))
						      : PLX_CODE_(PLX_FIELD_UINT, sizeof(E));
};
#define PLX_CODE_OF_(plx_c_type, field) plx_code<decltype(plx_c_type::field)>::value
#else
#define PLX_BOTH_(type, kind)                                                                                \
	type * : PLX_CODE_(kind, sizeof(type)), type(*)[] : PLX_CODE_(kind, sizeof(type))
/* clang-format off */
#define PLX_CODE_OF_(plx_c_type, field) \
	(PLX_NO_POINTER_(((plx_c_type *)0)->field) + _Generic(&((plx_c_type *)0)->field, \
	PLX_BOTH_(_Bool, PLX_FIELD_BOOL), \
	PLX_BOTH_(char, PLX_FIELD_CHAR), \
	PLX_BOTH_(signed char, PLX_FIELD_INT), \
	PLX_BOTH_(unsigned char, PLX_FIELD_UINT), \
	PLX_BOTH_(short, PLX_FIELD_INT), \
	PLX_BOTH_(unsigned short, PLX_FIELD_UINT), \
	PLX_BOTH_(int, PLX_FIELD_INT), \
	PLX_BOTH_(unsigned int, PLX_FIELD_UINT), \
	PLX_BOTH_(long, PLX_FIELD_INT), \
	PLX_BOTH_(unsigned long, PLX_FIELD_UINT), \
	PLX_BOTH_(long long, PLX_FIELD_INT), \
	PLX_BOTH_(unsigned long long, PLX_FIELD_UINT), \
	PLX_BOTH_(float, PLX_FIELD_FLOAT), \
	PLX_BOTH_(double, PLX_FIELD_FLOAT), \
	PLX_BOTH_(long double, PLX_FIELD_FLOAT), \
	default: PLX_CODE_(PLX_FIELD_BYTES, 0)))
/* A pointer stays what it is when it is read, an array does not; both are "pointers" (5) to the compiler. */
#define PLX_NO_POINTER_(lvalue) \
	(0 * sizeof(char[1 - 2 * (__builtin_classify_type(lvalue) == 5 && \
				 __builtin_types_compatible_p(__typeof__(lvalue), __typeof__(((void)0, (lvalue)))))]))
/* clang-format on */
#endif

#define PLX_EACH_(macro, type, ...)      PLX_EACH_N_(PLX_COUNT_(__VA_ARGS__), macro, type, __VA_ARGS__)
#define PLX_EACH_N_(n, macro, type, ...) PLX_EACH_M_(n, macro, type, __VA_ARGS__)
#define PLX_EACH_M_(n, macro, type, ...) PLX_EACH_##n##_(macro, type, __VA_ARGS__)
#define PLX_COUNT_(...)                                                                                      \
	PLX_COUNT_N_(__VA_ARGS__, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15,    \
		     14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define PLX_COUNT_N_(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19,   \
		     a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, n, ...)                \
	n
/* clang-format off */
#define PLX_EACH_1_(m, t, a) m(t, a)
#define PLX_EACH_2_(m, t, a, ...) m(t, a), PLX_EACH_1_(m, t, __VA_ARGS__)
#define PLX_EACH_3_(m, t, a, ...) m(t, a), PLX_EACH_2_(m, t, __VA_ARGS__)
#define PLX_EACH_4_(m, t, a, ...) m(t, a), PLX_EACH_3_(m, t, __VA_ARGS__)
#define PLX_EACH_5_(m, t, a, ...) m(t, a), PLX_EACH_4_(m, t, __VA_ARGS__)
#define PLX_EACH_6_(m, t, a, ...) m(t, a), PLX_EACH_5_(m, t, __VA_ARGS__)
#define PLX_EACH_7_(m, t, a, ...) m(t, a), PLX_EACH_6_(m, t, __VA_ARGS__)
#define PLX_EACH_8_(m, t, a, ...) m(t, a), PLX_EACH_7_(m, t, __VA_ARGS__)
#define PLX_EACH_9_(m, t, a, ...) m(t, a), PLX_EACH_8_(m, t, __VA_ARGS__)
#define PLX_EACH_10_(m, t, a, ...) m(t, a), PLX_EACH_9_(m, t, __VA_ARGS__)
#define PLX_EACH_11_(m, t, a, ...) m(t, a), PLX_EACH_10_(m, t, __VA_ARGS__)
#define PLX_EACH_12_(m, t, a, ...) m(t, a), PLX_EACH_11_(m, t, __VA_ARGS__)
#define PLX_EACH_13_(m, t, a, ...) m(t, a), PLX_EACH_12_(m, t, __VA_ARGS__)
#define PLX_EACH_14_(m, t, a, ...) m(t, a), PLX_EACH_13_(m, t, __VA_ARGS__)
#define PLX_EACH_15_(m, t, a, ...) m(t, a), PLX_EACH_14_(m, t, __VA_ARGS__)
#define PLX_EACH_16_(m, t, a, ...) m(t, a), PLX_EACH_15_(m, t, __VA_ARGS__)
#define PLX_EACH_17_(m, t, a, ...) m(t, a), PLX_EACH_16_(m, t, __VA_ARGS__)
#define PLX_EACH_18_(m, t, a, ...) m(t, a), PLX_EACH_17_(m, t, __VA_ARGS__)
#define PLX_EACH_19_(m, t, a, ...) m(t, a), PLX_EACH_18_(m, t, __VA_ARGS__)
#define PLX_EACH_20_(m, t, a, ...) m(t, a), PLX_EACH_19_(m, t, __VA_ARGS__)
#define PLX_EACH_21_(m, t, a, ...) m(t, a), PLX_EACH_20_(m, t, __VA_ARGS__)
#define PLX_EACH_22_(m, t, a, ...) m(t, a), PLX_EACH_21_(m, t, __VA_ARGS__)
#define PLX_EACH_23_(m, t, a, ...) m(t, a), PLX_EACH_22_(m, t, __VA_ARGS__)
#define PLX_EACH_24_(m, t, a, ...) m(t, a), PLX_EACH_23_(m, t, __VA_ARGS__)
#define PLX_EACH_25_(m, t, a, ...) m(t, a), PLX_EACH_24_(m, t, __VA_ARGS__)
#define PLX_EACH_26_(m, t, a, ...) m(t, a), PLX_EACH_25_(m, t, __VA_ARGS__)
#define PLX_EACH_27_(m, t, a, ...) m(t, a), PLX_EACH_26_(m, t, __VA_ARGS__)
#define PLX_EACH_28_(m, t, a, ...) m(t, a), PLX_EACH_27_(m, t, __VA_ARGS__)
#define PLX_EACH_29_(m, t, a, ...) m(t, a), PLX_EACH_28_(m, t, __VA_ARGS__)
#define PLX_EACH_30_(m, t, a, ...) m(t, a), PLX_EACH_29_(m, t, __VA_ARGS__)
#define PLX_EACH_31_(m, t, a, ...) m(t, a), PLX_EACH_30_(m, t, __VA_ARGS__)
#define PLX_EACH_32_(m, t, a, ...) m(t, a), PLX_EACH_31_(m, t, __VA_ARGS__)
/* clang-format on */

#endif
