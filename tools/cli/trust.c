/* trust.c - whom a program trusts: keys in files, users and groups by name. */
#include "tools/cli/cli.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>

static int read_name(struct cli_trust *trust, bool user, const char *value)
{
	uint32_t *ids = user ? trust->users : trust->groups;
	uint32_t *count = user ? &trust->user_count : &trust->group_count;
	const struct passwd *pw = user ? getpwnam(value) : NULL;
	const struct group *gr = user ? NULL : getgrnam(value);
	uint64_t id = 0;

	if (pw)
		id = pw->pw_uid;
	else if (gr)
		id = gr->gr_gid;
	else if (cli_count(value, 0, UINT32_MAX - 1, &id) < 0)
		return cli_usage_error("--%s %s: there is no such %s", user ? "user" : "group", value,
				       user ? "user" : "group");
	if (*count == CLI_TRUST_MAX)
		return cli_usage_error("--%s: %u of them at most", user ? "user" : "group", CLI_TRUST_MAX);
	ids[(*count)++] = (uint32_t)id;
	return -1;
}

static int read_key(struct cli_trust *trust, const char *value)
{
	if (trust->key)
		return cli_usage_error("--key %s: a program has one key, and this is the second", value);
	trust->key = value;
	return -1;
}

static int read_trusted(struct cli_trust *trust, const char *value)
{
	if (trust->trusted_count == CLI_TRUST_MAX)
		return cli_usage_error("--trust: %u files at most; one file may hold many keys",
				       CLI_TRUST_MAX);
	trust->trusted[trust->trusted_count++] = value;
	return -1;
}

int cli_trust_option(struct cli_trust *trust, int option, const char *value)
{
	switch (option) {
	case CLI_KEY: return read_key(trust, value);
	case CLI_TRUST: return read_trusted(trust, value);
	default: return read_name(trust, option == CLI_USER, value);
	}
}

int cli_trust_open(struct cli_trust *trust)
{
	char why[PLX_KEY_WHY];

	if (!trust->key && trust->trusted_count == 0)
		return -1;
	if (!trust->key)
		return cli_usage_error("--trust without --key: who proves nothing is told nothing");
	if (trust->trusted_count == 0)
		return cli_usage_error("--key without --trust: whom to trust? shmctl key show prints what "
				       "the other side has to give");
	if (plx_keys_open(&trust->keys, trust->key, why) < 0) {
		cli_error("%s: %s", trust->key, why);
		return CLI_ERROR;
	}
	for (uint32_t i = 0; i < trust->trusted_count; i++) {
		if (plx_keys_trust(trust->keys, trust->trusted[i], why) < 0) {
			cli_error("%s: %s", trust->trusted[i], why);
			cli_trust_close(trust);
			return CLI_ERROR;
		}
	}
	return -1;
}

void cli_trust_close(struct cli_trust *trust)
{
	plx_keys_close(trust->keys);
	trust->keys = NULL;
}

struct plx_admit cli_trust_admit(const struct cli_trust *trust)
{
	return (struct plx_admit){
		.users = trust->users,
		.user_count = trust->user_count,
		.groups = trust->groups,
		.group_count = trust->group_count,
	};
}
