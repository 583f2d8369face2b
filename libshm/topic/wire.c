/*
 * wire.c - between sockets and the machines of the handshake.
 *
 * The doors (base/sys.h) see to it that what is not taken is closed; here it is only counted.
 */
#include "topic/wire.h"

#include "base/sys.h"

#include <errno.h>

int plx_wire_recv(int fd, struct plx_datagram *datagram, bool expect_fds)
{
	ssize_t n;

	datagram->fds = 0;
	datagram->size = 0;
	for (int i = 0; i < PLX_GRANT_FDS; i++)
		datagram->fd[i] = -1;
	if (expect_fds)
		n = plx_sys_recv_fds(fd, datagram->bytes, sizeof(datagram->bytes), datagram->fd,
				     PLX_GRANT_FDS, &datagram->fds);
	else
		n = plx_sys_recv(fd, datagram->bytes, sizeof(datagram->bytes));
	if (n <= 0)
		return (int)n;
	datagram->size = (size_t)n;
	return 1;
}

void plx_wire_drop(struct plx_datagram *datagram)
{
	unsigned int i;

	for (i = 0; i < datagram->fds; i++) {
		plx_sys_close(datagram->fd[i]);
		datagram->fd[i] = -1;
	}
	datagram->fds = 0;
}

int plx_wire_send(int fd, const struct plx_step *step, const int *fds)
{
	if (step->send_fds > 0)
		return plx_sys_send_fds(fd, step->send, step->send_size, fds, step->send_fds);
	return plx_sys_send(fd, step->send, step->send_size);
}

int plx_wire_files(struct plx_proof_files *files, const int fds[PLX_GRANT_FDS])
{
	struct stat st;

	for (unsigned int i = 0; i < PLX_GRANT_FDS; i++) {
		int ret = plx_sys_stat(fds[i], &st);

		if (ret < 0)
			return ret;
		files->id[i][0] = st.st_dev;
		files->id[i][1] = st.st_ino;
	}
	return 0;
}

int plx_wire_wake(int fd, unsigned char byte)
{
	return plx_sys_send(fd, &byte, 1);
}
