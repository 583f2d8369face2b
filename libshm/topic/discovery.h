/* discovery.h - where the publishers of a topic are found: a directory of sockets, no daemon. */
#ifndef PLX_TOPIC_DISCOVERY_H
#define PLX_TOPIC_DISCOVERY_H

#include "topic/admission.h"
#include "topic/name.h"

/*
 *	BASE/			opt.directory, or $XDG_RUNTIME_DIR/parallax, or /tmp/parallax-UID; 0700 and ours
 *	  robot+camera/		one directory per topic, '/' written as '+'; 0700 and ours
 *	    4711-00c0ffee00c0ffee.sock	one listening socket per publisher: pid, id of its data segment
 *	    .4712-0123456789abcdef.new	one that does not listen yet
 *
 * What ends in ".sock" has been listening before it got that name, and no name is used twice (the id is
 * random). So a ".sock" that refuses connections is dead for ever, and whoever meets it may unlink it.
 * Nobody keeps a descriptor of these directories: each call opens what it needs, and checks it again.
 */

/* Where a topic is. */
struct plx_place {
	char *base; /* absolute path */
	char topic[PLX_TOPIC_MAX + 1];
	char dir[PLX_TOPIC_MAX + 1]; /* name of the topic's directory in base */
	/* for whom; see plx_place_share() and plx_place_foreign() */
	uint16_t dir_mode, socket_mode; /* 0: 0700 and 0600 */
	uint32_t group;                 /* of both; PLX_PLACE_OWN: ours */
	const struct plx_admission
		*foreign; /* others may own the directories, we make none; NULL: ours alone */
};
#define PLX_PLACE_OWN  UINT32_MAX
#define PLX_PLACE_NONE ((struct plx_place){ .base = NULL })

/* A publisher somebody saw. */
struct plx_sighting {
	uint64_t id;   /* of its data segment */
	uint32_t pid;  /* as the name says: for logs only */
	char name[48]; /* of its socket in the topic's directory */
};

struct plx_sightings {
	struct plx_sighting *items;
	size_t count;
};
#define PLX_SIGHTINGS_NONE ((struct plx_sightings){ .items = NULL })
#define PLX_SIGHTINGS_MAX  65536u /* more sockets than this in one directory are not looked at */

/* A publisher's own socket. */
struct plx_listener {
	int fd; /* -1 when none; non-blocking */
	char name[48];
};
#define PLX_LISTENER_NONE ((struct plx_listener){ .fd = -1 })

/**
 * plx_place_base() - find the base directory.
 * @path:      PATH_MAX bytes; its absolute path on success; what was looked for when it is not there (-ENOENT)
 * @directory: options.directory, or NULL
 * @create:    make it when it is missing
 *
 * Return: a descriptor >= 0, or as plx_place_open(). Owner: the caller closes it.
 */
int plx_place_base(char *path, const char *directory, bool create) plx_must_check;

/**
 * plx_place_open() - resolve where @topic is, and make the base directory.
 * @directory: options.directory, or NULL
 *
 * Return: 0, -EINVAL (topic), -ENAMETOOLONG, -EACCES (the directory is a symbolic link, somebody else's, or others
 *         may write to it), -ENOENT (the parent of @directory does not exist), -ENOMEM, -EMFILE.
 * Owner:  the caller closes it.
 */
int plx_place_open(struct plx_place *place, const char *directory, const char *topic) plx_must_check;

/**
 * plx_place_open_for() - the same, for others than our own user.
 * @admission: who; nobody: as plx_place_open()
 * @own:       publisher: directories are made, and sockets appear in them, such that they can be reached by all of them;
 *             the topic's directory is made so when it is ours and not so yet. One group: 0750, 0660 and that group;
 *             else 0755 and 0666, and the kernel's word at the socket decides.
 *             subscriber (false): the directories may belong to others; nothing is made in them.
 *
 * Return: also -EPERM: we may not give a directory to that group.
 */
int plx_place_open_for(struct plx_place *place, const char *directory, const char *topic,
		       const struct plx_admission *admission, bool own) plx_must_check;

/** plx_place_close() - may be called twice. */
void plx_place_close(struct plx_place *place);

/**
 * plx_place_dir() - a descriptor of the topic's directory.
 * @create: make what is missing
 *
 * Return: a descriptor >= 0, -ENOENT, -EACCES as above, -EMFILE, -EAGAIN: others removed it again and again for two
 * seconds. Owner: the caller closes it.
 */
int plx_place_dir(const struct plx_place *place, bool create) plx_must_check;

/**
 * plx_place_again() - others removed what we had just made: is it worth another try?
 * @until: 0 before the first try
 *
 * By time rather than by tries: who is not given the processor may fail any number of times in a row.
 * Return: true for the first two seconds.
 */
bool plx_place_again(uint64_t *until);

/**
 * plx_place_list() - the publishers of the topic; stale temporary names are reaped on the way.
 * @list: set on success, ordered by name; a topic nobody has made yet is an empty list
 *
 * A name seen is not a publisher yet: connecting tells.
 *
 * Return: 0, -EACCES, -ENOMEM, -EMFILE. Owner: plx_sightings_free().
 */
int plx_place_list(const struct plx_place *place, struct plx_sightings *list) plx_must_check;
void plx_sightings_free(struct plx_sightings *list);

/**
 * plx_place_connect() - connect to a publisher that was seen.
 * @fd: set on success: connected, non-blocking, close-on-exec
 *
 * Never blocks. A socket nobody listens on any more is unlinked.
 *
 * Return: 0; -ECONNREFUSED (dead, and reaped); -ENOENT (gone meanwhile); -EAGAIN (its queue is full: try again
 *         later); -ENOTSOCK (not a socket: left alone); -EACCES, -EMFILE.
 * Owner:  the caller closes *@fd, and checks who is there with plx_peer_open().
 */
int plx_place_connect(const struct plx_place *place, const struct plx_sighting *seen, int *fd) plx_must_check;

/** plx_place_reap() - who listened there is dead: nobody is to find that name any more. */
void plx_place_reap(const struct plx_place *place, const struct plx_sighting *seen);

/** plx_place_tidy() - remove the name @seen if nobody is behind it any more, without disturbing who is. */
void plx_place_tidy(const struct plx_place *place, const struct plx_sighting *seen);

/**
 * plx_listener_open() - appear as a publisher of the topic.
 * @id: of the data segment, random, never 0
 *
 * The socket is bound to a temporary name, made to listen, and then renamed: whoever sees it can connect.
 *
 * Return: 0, -EACCES, -EMFILE, -ENOSPC, -EEXIST (same id twice), -EAGAIN (others kept removing the directory).
 * Owner:  the caller closes it.
 */
int plx_listener_open(struct plx_listener *listener, const struct plx_place *place,
		      uint64_t id) plx_must_check;

/**
 * plx_listener_accept() - the next client that knocked.
 * @fd: set on success: non-blocking, close-on-exec
 *
 * Return: 0, -EAGAIN (nobody, also when a client left before we looked), -EMFILE, -ENFILE, -ENOMEM.
 * Owner:  the caller.
 */
int plx_listener_accept(const struct plx_listener *listener, int *fd) plx_must_check;

/** plx_listener_hide() - nobody new finds us; who accepts in another thread may go on. */
void plx_listener_hide(const struct plx_listener *listener, const struct plx_place *place);

/** plx_listener_close() - disappear: unlink, close, remove the topic's directory if it is empty; may be called twice. */
void plx_listener_close(struct plx_listener *listener, const struct plx_place *place);

/**
 * plx_place_leave() - remove the topic's directory if it is empty (subscribers call it when they close).
 *
 * Return: true when it was removed.
 */
bool plx_place_leave(const struct plx_place *place);

#endif
