/* typed.c - publishing a value of a declared type, where a view of it can be had. */
#include <plx/type.h>

#include <string.h>

/* What lies in a log entry is aligned to so many bytes. */
#define INSIDE_ALIGN 8u

int plx_publisher_send_as(struct plx_publisher *pub, struct plx_type *type, const void *value)
{
	struct plx_loan loan;
	int ret;

	if (type->align <= INSIDE_ALIGN && plx_publisher_type(pub) == plx_type_id(type))
		return plx_publisher_send(pub, value, type->size);
	ret = plx_publisher_loan(pub, &loan);
	if (ret < 0)
		return ret;
	loan.type = plx_type_id(type);
	ret = -EMSGSIZE;
	if (type->size <= loan.capacity) {
		memcpy(loan.data, value, type->size);
		ret = plx_publisher_publish(pub, &loan, type->size);
	}
	if (ret < 0)
		plx_publisher_drop(pub, &loan);
	return ret;
}
