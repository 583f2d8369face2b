// boost.cc - Boost.Lockfree, with the capacities known to the compiler: the form that holds no pointers. Debian: libboost-dev.
#include "tests/bench/queue.h"

#if __has_include(<boost/lockfree/queue.hpp>)

#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>
#include <new>

namespace
{

constexpr std::size_t SLOTS = 16384;

struct word {
	std::uint64_t words[1];
};

struct line {
	std::uint64_t words[8];
};

template <class Message> using spsc = boost::lockfree::spsc_queue<Message, boost::lockfree::capacity<SLOTS>>;
template <class Message> using mpmc = boost::lockfree::queue<Message, boost::lockfree::capacity<SLOTS>>;

template <class Queue> void *open_queue(std::uint32_t, std::uint32_t)
{
	return new (queue_memory(sizeof(Queue))) Queue;
}

template <class Message> queue_inline unsigned int push_spsc(queue_end *end, void *m, unsigned int n)
{
	auto *q = static_cast<spsc<Message> *>(end->queue);
	auto *messages = static_cast<Message *>(m);

	return n == 1 ? q->push(*messages) : static_cast<unsigned int>(q->push(messages, n));
}

template <class Message> queue_inline unsigned int pop_spsc(queue_end *end, void *m, unsigned int n)
{
	auto *q = static_cast<spsc<Message> *>(end->queue);
	auto *messages = static_cast<Message *>(m);

	return n == 1 ? q->pop(*messages) : static_cast<unsigned int>(q->pop(messages, n));
}

template <class Message> queue_inline unsigned int push_mpmc(queue_end *end, void *m, unsigned int)
{
	return static_cast<mpmc<Message> *>(end->queue)->bounded_push(*static_cast<Message *>(m));
}

template <class Message> queue_inline unsigned int pop_mpmc(queue_end *end, void *m, unsigned int)
{
	return static_cast<mpmc<Message> *>(end->queue)->pop(*static_cast<Message *>(m));
}

QUEUE_LOOPS(spsc_8, push_spsc<word>, pop_spsc<word>, 8, 1)
QUEUE_LOOPS(spsc_64, push_spsc<line>, pop_spsc<line>, 64, 1)
QUEUE_LOOPS(spsc_8b, push_spsc<word>, pop_spsc<word>, 8, 32)
QUEUE_LOOPS(spsc_64b, push_spsc<line>, pop_spsc<line>, 64, 32)
QUEUE_LOOPS(mpmc_8, push_mpmc<word>, pop_mpmc<word>, 8, 1)

// The members in the order of struct queue: designators of C are not all there in C++.
#define ENTRY(id, name, size, batch, sides, type)                                                                  \
	{                                                                                                          \
		name, size, batch, sides, sides, false, false, open_queue<type>, nullptr, id##_produce,            \
			id##_consume, id##_ping, id##_pong                                                         \
	}

} // namespace

extern "C" const struct queue queues_boost[] = {
	ENTRY(spsc_8, "boost spsc_queue", 8, 1, 1, spsc<word>),
	ENTRY(spsc_64, "boost spsc_queue", 64, 1, 1, spsc<line>),
	ENTRY(spsc_8b, "boost spsc_queue", 8, 32, 1, spsc<word>),
	ENTRY(spsc_64b, "boost spsc_queue", 64, 32, 1, spsc<line>),
	ENTRY(mpmc_8, "boost queue", 8, 1, QUEUE_SIDES, mpmc<word>),
	{},
};

#else
extern "C" const struct queue queues_boost[] = { {} };
#endif
