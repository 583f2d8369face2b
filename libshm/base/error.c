/* error.c - what an error number means here, in words for the person who reads it. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include <plx/common.h>

const char *plx_version(void)
{
	return PLX_VERSION_STRING;
}

const char *plx_strerror(int err)
{
	const char *text;

	if (err < 0)
		err = err == INT_MIN ? INT_MAX : -err;
	switch (err) {
	case 0: return "no error";
	case EPROTO: return "the other side speaks another protocol or version";
	case EBADMSG: return "malformed data";
	case ERANGE: return "outside of the segment";
	case ENOSPC: return "no space left: out of memory, or every slot is in use";
	case EAGAIN: return "not just now: it would have to wait";
	case ETIMEDOUT: return "the deadline has passed";
	case EPIPE: return "the other side is gone";
	case EOWNERDEAD: return "the process that held it died";
	case ESTALE: return "it has been replaced by a newer one";
	case EKEYREJECTED: return "authentication failed";
	case ECANCELED: return "interrupted before the end";
	case ESHUTDOWN: return "the stream has ended";
	case EMSGSIZE: return "the message is larger than a slot";
	case EFBIG: return "larger than a file may be (see ulimit -f)";
	case EMFILE: return "too many open files in this process (see ulimit -n)";
	case ENFILE: return "too many open files in the system";
	case EOPNOTSUPP: return "not supported by this build"; /* also ENOTSUP */
	case EINTR: return "interrupted by a signal";
	default: break;
	}
	text = strerrordesc_np(err);
	return text ? text : "unknown error";
}
