/* request.c - a server that squares numbers in one process, a client with several calls under way in another. */
#include <plx/plx.h>
#include <stdio.h>
#include <unistd.h>

static int serve(void)
{
	struct plx_server *server;
	struct plx_request *request;

	if (plx_server_open(&server, "square", NULL) < 0)
		return 1;
	for (int left = 3; left > 0;) {
		if (plx_server_next(server, &request) == 1) {
			const int *n = request->buffer.data;
			int square = *n * *n;

			if (plx_server_reply(server, request, &square, sizeof(square)) == 0)
				left--;
		} else if (plx_server_wait(server, UINT64_MAX) < 0) {
			return 1;
		}
	}
	plx_server_close(server);
	return 0;
}

int main(void)
{
	struct plx_client *client;
	struct plx_reply reply;
	uint64_t call;

	if (fork() == 0)
		return serve();
	if (plx_client_open(&client, "square", NULL) < 0 || plx_client_connect(client, UINT64_MAX) < 0)
		return 1;
	for (int n = 2; n <= 4; n++)
		if (plx_client_send(client, &n, sizeof(n), 5000000000u, &call) < 0)
			return 1;
	for (int left = 3; left > 0 && plx_client_wait(client, UINT64_MAX) == 0;) {
		while (plx_client_poll(client, &reply) == 1) {
			if (reply.error < 0)
				printf("call %d: %s\n", (int)reply.call, plx_strerror(reply.error));
			else
				printf("call %d: %d\n", (int)reply.call, *(const int *)reply.buffer.data);
			plx_buffer_release(&reply.buffer);
			left--;
		}
	}
	plx_client_close(client);
	return 0;
}
