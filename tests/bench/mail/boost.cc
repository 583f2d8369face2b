/* boost.cc - message_queue of Boost.Interprocess: shared memory, a mutex and condition variables in it, copies. */
#include <boost/interprocess/ipc/message_queue.hpp>
#include <memory>
#include <string>

#include "tests/bench/mail.h"

using boost::interprocess::message_queue;

struct end {
	message_queue queue;
	std::unique_ptr<char[]> bytes;
};

static std::string name_of(const char *directory, int channel)
{
	return std::string(strrchr(directory, '/') + 1) + "." + std::to_string(channel);
}

static void forget(const char *directory)
{
	for (int i = 0; i < 2; i++)
		message_queue::remove(name_of(directory, i).c_str());
}

static const char *make(const char *directory, size_t size)
{
	try {
		for (int i = 0; i < 2; i++)
			message_queue(boost::interprocess::create_only, name_of(directory, i).c_str(),
				      size <= 4096 ? 1024 : 16, size);
	} catch (...) {
		forget(directory);
		return "no shared memory";
	}
	return nullptr;
}

static void *open_end(const char *directory, int channel, size_t size)
{
	try {
		return new end{ message_queue(boost::interprocess::open_only,
					      name_of(directory, channel).c_str()),
				std::unique_ptr<char[]>(new char[size]) };
	} catch (...) {
		return nullptr;
	}
}

static void *room(void *sender, size_t)
{
	return static_cast<end *>(sender)->bytes.get();
}

static int post(void *sender, size_t size)
{
	end *e = static_cast<end *>(sender);

	e->queue.send(e->bytes.get(), size, 0);
	return 0;
}

static const void *take(void *receiver, size_t size)
{
	end *e = static_cast<end *>(receiver);
	message_queue::size_type got;
	unsigned int priority;

	e->queue.receive(e->bytes.get(), size, got, priority);
	return got == size ? e->bytes.get() : nullptr;
}

struct mail_peer mail_peer = {
	"Boost.Interprocess message_queue",
	"copies; sleeps",
	false,
	0,
	make,
	forget,
	open_end,
	open_end,
	nullptr,
	room,
	post,
	take,
	nullptr,
	nullptr,
	nullptr,
	true,
};
