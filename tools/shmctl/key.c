/*
 * key.c - shmctl key: make a key, show the public part of one.
 *
 * A secret goes into its file and nowhere else: not to the terminal, not into an argument, not into the environment.
 */
#include "tools/shmctl/shmctl.h"

#include <errno.h>
#include <string.h>

static void show(const struct ctl_request *request, const char *path, const struct plx_public_key *key)
{
	char text[PLX_KEY_TEXT];

	plx_key_text(text, key);
	if (request->json) {
		struct json_object *object = ctl_json_start("key", 0);

		json_object_object_del(object, "time_ns");
		ctl_json_text(object, "file", path);
		ctl_json_text(object, "public", text);
		ctl_json_end(object, request);
	} else {
		fprintf(request->out, "%s\n", text);
	}
}

static int key_new(const struct ctl_request *request, const char *path)
{
	struct plx_public_key key;
	int ret = plx_key_create(path, &key);

	if (ret == -EEXIST)
		cli_error("%s: there is something already; a key is not overwritten", path);
	else if (ret < 0)
		cli_error("%s: %s", path, plx_strerror(ret));
	else
		show(request, path, &key);
	return ret < 0 ? CTL_BROKEN : CTL_FINE;
}

static int key_show(const struct ctl_request *request, const char *path)
{
	struct plx_public_key key;
	char why[PLX_KEY_WHY];
	int ret = plx_key_public(path, &key, why);

	if (ret == 0)
		show(request, path, &key);
	else
		cli_error("%s: %s", path, why);
	return ret == 0 ? CTL_FINE : ret == -ENOENT ? CTL_NONE : CTL_BROKEN;
}

int ctl_key(const struct ctl_request *request)
{
	const char *path = request->file ? request->file : "parallax.key";

	return strcmp(request->target, "new") == 0 ? key_new(request, path) : key_show(request, path);
}
