/* words.c - how things are called, and how figures are written. */
#include "tools/shmctl/shmctl.h"

#include <errno.h>
#include <plx/channel.h>
#include <plx/subscriber.h>
#include <string.h>
#include <unistd.h>

const char *ctl_kind(uint32_t kind)
{
	switch (kind) {
	case PLX_KIND_NONE: return "unknown";
	case PLX_KIND_TOPIC: return "topic";
	case PLX_KIND_LINK: return "link";
	case PLX_KIND_NET: return "net";
	case PLX_KIND_CHANNEL: return "channel";
	case PLX_KIND_WORKERS: return "workers";
	default: return kind >= PLX_KIND_USER ? "user" : "unknown";
	}
}

const char *ctl_channel(uint32_t kind)
{
	static const char *const names[] = {
		[PLX_CHANNEL_SPSC] = "spsc", [PLX_CHANNEL_MPSC] = "mpsc", [PLX_CHANNEL_MPMC] = "mpmc",
		[PLX_CHANNEL_RING] = "ring", [PLX_CHANNEL_POST] = "post", [PLX_CHANNEL_PRIORITY] = "priority"
	};

	return kind < sizeof(names) / sizeof(names[0]) && names[kind] ? names[kind] : "unknown";
}

const char *ctl_reading(uint32_t reading)
{
	switch (reading) {
	case PLX_READ_RELIABLE: return "reliable";
	case PLX_READ_LOSSY: return "lossy";
	default: return "unknown";
	}
}

const char *ctl_ending(const struct ctl_item *item)
{
	if (item->topic.ended) {
		switch (item->topic.end_reason) {
		case 0:
		case -ESHUTDOWN: return "ended";
		case -ECANCELED: return "interrupted";
		default: return "failed";
		}
	}
	if (!item->path && !item->found->creator_alive)
		return "died";
	return item->topic.waiting ? "waiting" : "running";
}

const char *ctl_trouble(int error)
{
	switch (error) {
	case 0: return "ok";
	case -EAGAIN: return "no header yet: it is being made";
	case -EPROTO: return "not a segment, or of another version";
	case -EBADMSG: return "the header is damaged";
	case -EACCES: return "not ours to open: try as root, or as its owner";
	case -ESRCH: return "gone while we looked";
	case -EFBIG: return "too large for our address space (see ulimit -v)";
	case -ERANGE: return "it became smaller while we looked";
	case -EINVAL: return "not a segment: not a regular file, or too short";
	default: return plx_strerror(error);
	}
}

const char *ctl_item_trouble(const struct ctl_item *item)
{
	if (item->found->error == 0 && item->error == -EBADMSG)
		return "damaged behind its header; shmctl check says where";
	if (item->found->error == 0 && item->error == -EPROTO)
		return "of a layout this shmctl does not know";
	return ctl_trouble(item->error);
}

const char *ctl_denied(void)
{
	return geteuid() == 0 ? "they are protected, even from root"
			      : "another user's, or protected; root sees more";
}

const char *ctl_clean(const char *name, char *text, size_t size)
{
	size_t i;

	for (i = 0; i + 1 < size && name[i] != '\0'; i++)
		text[i] = name[i] >= ' ' && name[i] <= '~' ? name[i] : '?';
	text[i] = '\0';
	return text;
}

const char *ctl_bytes(uint64_t bytes, char text[CTL_WORD])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	int unit = 0;

	while (value >= 1024 && unit < 6) {
		value /= 1024;
		unit++;
	}
	if (unit == 0)
		snprintf(text, CTL_WORD, "%u B", (unsigned int)bytes);
	else
		snprintf(text, CTL_WORD, value < 100 ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return text;
}

const char *ctl_age(uint64_t ns, char text[CTL_WORD])
{
	uint64_t seconds = ns / 1000000000u;

	if (seconds < 10)
		snprintf(text, CTL_WORD, "%.1f s", (double)ns / 1e9);
	else if (seconds < 100)
		snprintf(text, CTL_WORD, "%u s", (unsigned int)seconds);
	else if (seconds < 100 * 60)
		snprintf(text, CTL_WORD, "%u min", (unsigned int)(seconds / 60));
	else if (seconds < 100 * 3600)
		snprintf(text, CTL_WORD, "%u h", (unsigned int)(seconds / 3600));
	else
		snprintf(text, CTL_WORD, "%llu d", (unsigned long long)(seconds / 86400));
	return text;
}

uint64_t ctl_since(const struct ctl_scene *scene, uint64_t then_ns)
{
	return scene->now_ns > then_ns ? scene->now_ns - then_ns : 0;
}
