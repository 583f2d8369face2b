/*
 * load_file.c - the file of a checkpoint: read, and found whole.
 *
 * It is read into memory of our own, not mapped: who writes or truncates it meanwhile changes nothing that was checked, and
 * no page of it is missing later.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reducer/net/load.h"
#include "reducer/net/save.h"

static int check_head(struct load *load, uint64_t size, const char **why)
{
	uint8_t hash[SAVED_HASH];

	*why = "it is no checkpoint of a reduction";
	if (size < sizeof(load->head))
		return -EPROTO;
	memcpy(&load->head, load->file, sizeof(load->head));
	if (load->head.magic != SAVED_MAGIC)
		return -EPROTO;
	*why = "it is a checkpoint of another version of this program";
	if (load->head.version != SAVED_VERSION)
		return -ENOTSUP;
	*why = "it is cut off";
	if (load->head.size > size)
		return -ERANGE;
	*why = "it is damaged: there is more of it than was written";
	if (load->head.size < size)
		return -ERANGE;
	*why = "it is damaged: its checksum is wrong";
	save_hash(load->file, size, hash);
	return memcmp(hash, load->head.hash, sizeof(hash)) == 0 ? 0 : -EBADMSG;
}

static int check_book(struct load *load, const char **why)
{
	const uint64_t room = load->size - sizeof(load->head);
	const struct saved_head *h = &load->head;

	load->book = (const struct book *)(load->file + sizeof(load->head));
	*why = "what it says of itself makes no sense";
	if (h->parts == 0 || h->parts > NET_WORKERS_MAX || h->orders == 0 || h->stride_shift < 8 ||
	    h->stride_shift > 48 || h->cells > 1ull << 48 || h->book_size > room || (h->book_size & 7) ||
	    h->book_size < sizeof(struct book) || load->book->size > h->book_size)
		return -EBADMSG;
	return book_check(load->book, load->book->size, why);
}

static int read_all(struct load *load, int fd, const char **why)
{
	char *to = mmap(NULL, load->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (to == MAP_FAILED)
		return -errno;
	load->file = to;
	for (uint64_t done = 0; done < load->size;) {
		const ssize_t n = read(fd, to + done, load->size - done);

		if (n > 0) {
			done += (uint64_t)n;
		} else if (n == 0) {
			*why = "it became shorter while it was read";
			return -ERANGE;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

int load_open(struct load *load, const char *path, const char **why)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int ret;

	*load = (struct load){ .file = NULL };
	*why = NULL;
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		ret = -errno;
	} else if (!S_ISREG(st.st_mode) || st.st_size == 0) {
		*why = "it is no checkpoint of a reduction";
		ret = S_ISDIR(st.st_mode) ? -EISDIR : -EPROTO;
	} else {
		load->size = (uint64_t)st.st_size;
		ret = read_all(load, fd, why);
	}
	close(fd);
	if (ret == 0)
		ret = check_head(load, load->size, why);
	if (ret == 0)
		ret = check_book(load, why);
	if (ret < 0)
		load_close(load);
	else
		*why = NULL;
	return ret;
}

void load_close(struct load *load)
{
	if (load->file)
		munmap((void *)load->file, load->size);
	*load = (struct load){ .file = NULL };
}
