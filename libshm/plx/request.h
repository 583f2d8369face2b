/* request.h - ask and be answered: many clients, one server, calls that end in any order. */
#ifndef PLX_REQUEST_H
#define PLX_REQUEST_H

#include <plx/admit.h>
#include <plx/buffer.h>
#include <plx/publisher.h>

/*
 *	client A ──NAME/request──┐                      each client publishes its requests; the server reads them all
 *	client B ──NAME/request──┴──► server
 *	client A ◄──NAME/reply/ID-OF-A──┤               each client has a reply topic of its own, so that a slow, stopped or
 *	client B ◄──NAME/reply/ID-OF-B──┘               dead one delays nobody, and nobody maps another's replies
 *
 * A call is known by the position of its request in its client's log: requests carry nothing but what the client
 * wrote. A call ends once: with a reply, with the error the server gave, with -ETIMEDOUT, or with -EPIPE when the server
 * left or died - then it may have been done or not. Nothing is sent twice.
 *
 * There should be one server of a name. If there are two, both do every call, and the first reply counts. A client outlives
 * its server and finds the next one.
 */

struct plx_server;
struct plx_client;
struct plx_keys; /* they and what plx_admit points to stay the caller's, until close */

/* Zero means the default. */
struct plx_server_options {
	uint64_t reply_size;   /* bytes of the largest reply; default 4096 */
	uint32_t calls;        /* requests of one client that wait for a reply; default 32, at most 1024 */
	uint32_t clients_max;  /* default 256; each takes 2 * calls slots and a thread that sleeps */
	uint32_t request_type; /* accept only clients of this type id; 0 = any */
	uint32_t reply_type;   /* type id of replies; 0 = bytes */
	uint32_t spin_ns;      /* as in plx_subscriber_options */
	uint64_t linger_ns;    /* how long close waits for clients to read what was answered; default 0.1 s */
	const char *directory; /* as in plx_publisher_options */
	struct plx_admit admit;      /* who else is admitted, plx/admit.h; for both of its topics */
	const struct plx_keys *keys; /* NULL, or: only with who proves a key it trusts, plx/key.h */
};

/* A request that waits for a reply. Its bytes stay until then. */
struct plx_request {
	struct plx_buffer buffer; /* data, length, type; not to be released */
	uint64_t client;          /* who asks: an id, never used again */
	uint64_t call;            /* which of its calls */
};

struct plx_server_stats {
	uint64_t requests; /* handed out by plx_server_next() */
	uint64_t replies;  /* sent, errors included */
	uint64_t dropped;  /* replies to clients that were gone */
	uint64_t
		refused; /* requests answered with -EBUSY, or not at all when the client could not be answered */
	uint32_t clients; /* connected and heard of */
	uint32_t waiting; /* requests without a reply */
};

/* Zero means the default. */
struct plx_client_options {
	uint64_t request_size;       /* bytes of the largest request; default 4096 */
	uint32_t calls;              /* calls under way at once; default 32, at most 1024 */
	uint32_t request_type;       /* type id of requests; 0 = bytes */
	uint32_t reply_type;         /* accept only servers with replies of this type id; 0 = any */
	uint32_t spin_ns;            /* as in plx_subscriber_options */
	const char *directory;       /* as in plx_publisher_options */
	struct plx_admit admit;      /* who else is admitted, plx/admit.h; for both of its topics */
	const struct plx_keys *keys; /* NULL, or: only with who proves a key it trusts, plx/key.h */
};

/* How a call ended. */
struct plx_reply {
	uint64_t call; /* which, as plx_client_send() said */
	int error; /* 0, or a negative errno: the server's, -ETIMEDOUT, -EPIPE, -EBADMSG (a reply that makes no sense) */
	struct plx_buffer buffer; /* data, length, type; release it with plx_buffer_release() */
};

struct plx_client_stats {
	uint64_t sent;      /* calls */
	uint64_t replied;   /* ended by the server, errors included */
	uint64_t timed_out; /* ended by their deadline */
	uint64_t broken;    /* ended because the server left or died */
	uint64_t late;      /* replies to calls that had ended, or never were */
	uint32_t waiting;   /* calls under way */
	uint32_t servers;   /* connected: 0 or 1 */
};

PLX_BEGIN

/* ---- server ---------------------------------------------------------------------------------------- */

/**
 * plx_server_open() - begin to serve @name.
 * @name: a topic name of at most 41 bytes
 *
 * Return: 0, -EINVAL, and as plx_subscriber_open().
 * Owner:  the caller closes it.
 * Safety: one thread at a time uses a server and its requests.
 */
int plx_server_open(struct plx_server **server, const char *name,
		    const struct plx_server_options *opt) plx_must_check;

/**
 * plx_server_next() - the next request, of whatever client, if there is one.
 * @request: set when the answer is 1; answer it with plx_server_reply(), _publish() or _refuse(), now or later, in any order
 *
 * Return: 1, 0 when there is none just now, -ENOMEM.
 */
int plx_server_next(struct plx_server *server, struct plx_request **request) plx_must_check;

/** plx_server_wait(), _arm(), _fd() - as plx_subscriber_wait() and so on. */
int plx_server_wait(struct plx_server *server, uint64_t timeout_ns) plx_must_check;
bool plx_server_arm(struct plx_server *server);
int plx_server_fd(const struct plx_server *server);

/**
 * plx_server_reply() - answer with a copy of @length bytes at @data.
 *
 * Never waits for a client.
 *
 * Return: 0, or -EPIPE when the client is gone: the request is gone, too. -EMSGSIZE, or -EAGAIN, -ENOSPC when the client
 *         holds on to so many replies that there is no room: the request is still the caller's.
 */
int plx_server_reply(struct plx_server *server, struct plx_request *request, const void *data,
		     uint64_t length) plx_must_check;

/**
 * plx_server_loan() - a slot to write the reply to @request into.
 *
 * Return: 0, -EPIPE (the client is gone; refuse the request to be rid of it), -EAGAIN, -ENOSPC.
 * Owner:  plx_server_publish() or plx_server_drop(), before the request is answered otherwise.
 */
int plx_server_loan(struct plx_server *server, struct plx_request *request,
		    struct plx_loan *loan) plx_must_check;
/** plx_server_publish() - answer with the first @length bytes of a loan. Return: as plx_server_reply(). */
int plx_server_publish(struct plx_server *server, struct plx_request *request, struct plx_loan *loan,
		       uint64_t length) plx_must_check;
/** plx_server_drop() - give a loan back; the request still waits. */
void plx_server_drop(struct plx_server *server, struct plx_request *request, struct plx_loan *loan);

/**
 * plx_server_refuse() - answer with an error: the client's call ends with it.
 * @error: negative errno
 *
 * The request is gone, whatever happens; when there is no room for the answer, the client's deadline has to do.
 */
void plx_server_refuse(struct plx_server *server, struct plx_request *request, int error);

/** plx_server_stats() - figures so far. */
void plx_server_stats(const struct plx_server *server, struct plx_server_stats *stats);

/** plx_server_refusal() - why the last client was refused (types), for people; "" when none was. */
const char *plx_server_refusal(const struct plx_server *server);

/** plx_server_close() - leave: what was answered is read within linger_ns, what was not ends with -EPIPE; NULL is fine. */
void plx_server_close(struct plx_server *server);

/* ---- client ---------------------------------------------------------------------------------------- */

/**
 * plx_client_open() - get ready to ask @name; there need not be a server yet.
 *
 * Return: 0, -EINVAL, and as plx_publisher_open() and plx_subscriber_open().
 * Owner:  the caller closes it.
 * Safety: one thread at a time.
 */
int plx_client_open(struct plx_client **client, const char *name,
		    const struct plx_client_options *opt) plx_must_check;

/** plx_client_connect() - wait until there is a server. Return: 0, -ETIMEDOUT, -EINTR. */
int plx_client_connect(struct plx_client *client, uint64_t timeout_ns) plx_must_check;

/**
 * plx_client_call() - ask with a copy of @length bytes and wait for the reply, also for a server to appear.
 * @reply: set when the answer is 0 and reply->error may say more; release its buffer
 *
 * Replies to other calls that come meanwhile are kept for plx_client_poll().
 *
 * Return: 0 with a reply, or what reply->error says: -ETIMEDOUT, -EPIPE, the server's; -EMSGSIZE, -EINTR (the call was given up).
 */
int plx_client_call(struct plx_client *client, const void *data, uint64_t length, struct plx_reply *reply,
		    uint64_t timeout_ns) plx_must_check;

/**
 * plx_client_send() - ask, and go on; plx_client_poll() tells how it ended.
 * @timeout_ns: the call ends then; UINT64_MAX: never by itself
 * @call:       set to its number, never 0
 *
 * Return: 0, -ENOTCONN (no server just now), -EAGAIN (so many calls are under way, or the server is so far behind),
 *         -EMSGSIZE.
 */
int plx_client_send(struct plx_client *client, const void *data, uint64_t length, uint64_t timeout_ns,
		    uint64_t *call) plx_must_check;

/** plx_client_loan() - a slot to write a request into. Return: 0, -EAGAIN, -ENOSPC. Owner: _publish() or _drop(). */
int plx_client_loan(struct plx_client *client, struct plx_loan *loan) plx_must_check;
/** plx_client_publish() - ask with the first @length bytes of a loan. Return: as plx_client_send(). */
int plx_client_publish(struct plx_client *client, struct plx_loan *loan, uint64_t length, uint64_t timeout_ns,
		       uint64_t *call) plx_must_check;
/** plx_client_drop() - give a loan back. */
void plx_client_drop(struct plx_client *client, struct plx_loan *loan);

/**
 * plx_client_poll() - a call that ended, if there is one.
 * @reply: set when the answer is 1
 *
 * Return: 1, 0 when none ended just now, -ENOSPC when too many replies are held.
 */
int plx_client_poll(struct plx_client *client, struct plx_reply *reply) plx_must_check;

/** plx_client_forget() - do not wait for that call any longer; false when it had ended already. */
bool plx_client_forget(struct plx_client *client, uint64_t call);

/** plx_client_wait() - wait until poll has something to say. Return: 0 (look again), -ETIMEDOUT, -EINTR. */
int plx_client_wait(struct plx_client *client, uint64_t timeout_ns) plx_must_check;

/**
 * plx_client_arm(), _fd() - as plx_subscriber_arm() and _fd().
 *
 * Deadlines do not make the descriptor readable, nor does a server's death before its first reply: poll now and then.
 */
bool plx_client_arm(struct plx_client *client);
int plx_client_fd(const struct plx_client *client);

/** plx_client_stats() - figures so far. */
void plx_client_stats(struct plx_client *client, struct plx_client_stats *stats);

/** plx_client_refusal() - why the last server was refused (types), for people; "" when none was. */
const char *plx_client_refusal(const struct plx_client *client);

/** plx_client_close() - leave; replies still held become invalid; NULL is fine. */
void plx_client_close(struct plx_client *client);

PLX_END

#endif
