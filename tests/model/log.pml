/*
 * log.pml - one publisher, a reliable and a lossy reader, one log: publish, hold, pin, reclaim, be lapped.
 *
 * Every load and every store of shared memory is a step of its own; what only one process sees is done with the step
 * before. With -DONLY_RELIABLE or -DONLY_LOSSY there is one reader, and room for more messages. Stores become visible in their order (what the releases buy); where the protocol needs a store to be seen
 * before a load of something else, the build that leaves the fence out keeps the store in a buffer, and it gets out
 * whenever it likes. tests/model/check runs it, once as it is and once with each -DBUG_ below, which spin must find.
 *
 *	claim, read_cursors, move_tail, empty_window, search_limbo, overrule    libshm/topic/reclaim.c
 *	put                                                                     libshm/topic/writer.h, publish.c
 *	take_reliable, take_lossy                                               libshm/topic/take.h, take.c
 *	tell, release                                                           libshm/topic/hold.c
 *
 *	BUG_SEQUENCE_FIRST       the sequence is stored before the entry (W1)
 *	BUG_PIN_AFTER_CURSOR     the cursor passes a held message, then its pin is set (T1)
 *	BUG_CURSOR_PASSES_HELD   ... or never
 *	BUG_NO_LOOK_AFTER_COPY   a lossy reader believes the copy of an entry (R3)
 *	BUG_NO_LOOK_AFTER_PIN    a lossy reader believes its pin came in time (R3)
 *	BUG_NO_FENCE_AFTER_PIN   it looks at the tail before its pin can be seen (H2)
 *	BUG_TAIL_AFTER_PINS      pins are looked at, then the tail is moved (G1)
 *	BUG_NO_FENCE_AFTER_TAIL  pins are looked at before the tail can be seen (G1)
 *	BUG_PINS_BEFORE_CURSORS  pins are looked at, then cursors (C1)
 *	BUG_GATE_OPEN            a reliable reader is overruled like a lossy one
 *	BUG_LIMBO_FOR_EVER       what was pinned when it left the window never comes back
 */
#ifndef MESSAGES
#define MESSAGES 4
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#define DEPTH 2
#define NONE  7	/* no slot: the payload is in the entry */
#define KEEP  2	/* messages a reader holds at most */

#define RELIABLE 0
#define LOSSY    1
#define bit(slot) (1 << (slot))

/* the data segment: the publisher writes */
byte sequence[DEPTH], place[DEPTH], inside[DEPTH], bytes[SLOTS], tail;
/* the links: each reader writes its own */
byte cursor[2], pins[2];
/* stores that are on their way, in builds without a fence */
bool tail_leaves, pin_leaves;
byte tail_new, pin_new;

/* what nobody sees: which slots are being read, and who is done */
byte read_now[2];
bool done[2];

inline get_out_tail() { atomic { tail_leaves -> tail = tail_new; tail_leaves = false } }
inline get_out_pin() { atomic { pin_leaves -> pins[LOSSY] = pin_new; pin_leaves = false } }
#if defined(BUG_NO_FENCE_AFTER_TAIL) || defined(BUG_NO_FENCE_AFTER_PIN)
active proctype buffers()
{
end:
	do
	:: get_out_tail()
	:: get_out_pin()
	od
}
#endif

/* ---- the publisher ------------------------------------------------------------------------------- */

byte next, gate, asked, own_tail, free_slots = bit(SLOTS) - 1, limbo, slot_at[DEPTH];
hidden byte c;

#define lag(position) (next - (position))

inline read_pins()
{
#ifdef ONLY_RELIABLE
	seen = pins[RELIABLE]
#elif defined(ONLY_LOSSY)
	seen = pins[LOSSY]
#else
	seen = pins[RELIABLE];
	seen = seen | pins[LOSSY]
#endif
}

inline read_cursors()
{
#ifdef BUG_PINS_BEFORE_CURSORS
	read_pins();
#endif
#ifdef ONLY_LOSSY
	d_step { gate = next; asked = next }
#else
	d_step { gate = cursor[RELIABLE]; asked = gate }
#endif
	d_step {
#ifndef ONLY_RELIABLE
		c = cursor[LOSSY];
		if
		:: c < asked -> asked = c
		:: else
		fi;
#endif
		if
		:: asked < own_tail -> asked = own_tail
		:: else
		fi;
#ifdef BUG_GATE_OPEN
		gate = next
#endif
		c = 0
	}
}

inline empty_window(to)
{
	do
	:: own_tail == to -> break
	:: else ->
		if
		:: slot_at[own_tail % DEPTH] == NONE
		:: else ->
#ifndef BUG_PINS_BEFORE_CURSORS
			read_pins();
#endif
			d_step {
				if
				:: seen & bit(slot_at[own_tail % DEPTH]) -> limbo = limbo | bit(slot_at[own_tail % DEPTH])
				:: else -> free_slots = free_slots | bit(slot_at[own_tail % DEPTH])
				fi;
				slot_at[own_tail % DEPTH] = NONE
			}
		fi;
		own_tail++
	od
}

inline move_tail(to)
{
	if
	:: to == own_tail
	:: else ->
		target = to;
#ifdef BUG_NO_FENCE_AFTER_TAIL
		atomic { !tail_leaves -> tail_new = target; tail_leaves = true }
#else
#ifndef BUG_TAIL_AFTER_PINS
		tail = target;
#endif
#endif
		empty_window(target);
#ifdef BUG_TAIL_AFTER_PINS
		tail = target;
#endif
		target = 0
	fi
}

inline search_limbo()
{
#ifndef BUG_LIMBO_FOR_EVER
	if
	:: limbo ->
		read_pins();
		d_step { free_slots = free_slots | (limbo & ~seen); limbo = limbo & seen }
	:: else
	fi
#else
	skip
#endif
}

inline look() { read_cursors(); move_tail(asked) }

/* A slot to write into; NONE: a reliable reader, or what is pinned, stands there. */
inline claim()
{
	if
	:: free_slots -> if :: look() :: skip fi /* now and then it looks for hotter ones */
	:: else -> look()
	fi;
	if
	:: !free_slots -> search_limbo()
	:: else
	fi;
	do
	:: !free_slots && own_tail < gate -> move_tail(own_tail + 1) /* overrule() */
	:: else -> break
	od;
	slot = NONE;
	d_step {
		c = 0;
		do
		:: c < SLOTS && (free_slots & bit(c)) -> slot = c; free_slots = free_slots & ~bit(c); break
		:: c < SLOTS && !(free_slots & bit(c)) -> c++
		:: else -> break
		od;
		c = 0
	}
}

inline make_room()
{
	do
	:: lag(own_tail) < DEPTH -> break
	:: else ->
		look();
		if
		:: lag(own_tail) == DEPTH && own_tail < gate -> move_tail(own_tail + 1) /* overrule() */
		:: else
		fi
	od
}

inline store(what, value)
{
	/* stores are seen in their order */
	atomic {
		if
		:: tail_leaves -> tail = tail_new; tail_leaves = false
		:: else
		fi;
		what = value
	}
}

inline put()
{
#ifdef BUG_SEQUENCE_FIRST
	store(sequence[next % DEPTH], next + 1);
#endif
	store(place[next % DEPTH], slot);
	d_step { slot_at[next % DEPTH] = slot; next++ }
	store(sequence[(next - 1) % DEPTH], next)
}

active proctype publisher()
{
	byte slot = NONE, seen, target, i;

	d_step {
		do
		:: i < DEPTH -> slot_at[i] = NONE; i++
		:: else -> i = 0; break
		od
	}
	do
	:: next == MESSAGES -> break
	:: next < MESSAGES -> /* a message in a slot */
		claim();
		if
		:: slot == NONE /* plx_full_pause(): again */
		:: else ->
			assert(!((read_now[RELIABLE] | read_now[LOSSY]) & bit(slot))); /* nobody reads what we write on */
			store(bytes[slot], next + 1);
			make_room();
			put();
			slot = NONE
		fi
	:: next < MESSAGES -> /* a message in its entry */
		make_room();
		store(inside[next % DEPTH], next + 1);
		put()
	od;
#ifndef ONLY_LOSSY
	done[RELIABLE];
#endif
#ifndef ONLY_RELIABLE
	done[LOSSY];
#endif
	look();
	search_limbo();
	assert(own_tail == next);
	assert(free_slots == bit(SLOTS) - 1) /* all was let go: every slot is free */
}

/* ---- the readers ----------------------------------------------------------------------------------- */

/* Let go of the message in holder @i. */
inline release(me, i)
{
	assert(bytes[held[i]] == number[i] + 1); /* it stayed as it was */
	d_step { read_now[me] = read_now[me] & ~bit(held[i]); kept--; }
	if
	:: pinned[i] -> d_step { pins[me] = pins[me] & ~bit(held[i]); pinned[i] = false }
	:: else
	fi;
	d_step { held[i] = NONE; number[i] = 0 }
}

/* A holder for the message at hand. */
inline keep(i, with_pin)
{
	d_step {
		if
		:: held[0] == NONE -> i = 0
		:: else -> i = 1
		fi;
		held[i] = slot;
		number[i] = at;
		pinned[i] = with_pin;
		kept++
	}
}

inline pin_unpinned(i)
{
	if
	:: held[i] != NONE && !pinned[i] -> d_step { pins[RELIABLE] = pins[RELIABLE] | bit(held[i]); pinned[i] = true }
	:: else
	fi
}

inline tell_reliable()
{
#ifdef BUG_PIN_AFTER_CURSOR
	cursor[RELIABLE] = at;
#endif
#ifndef BUG_CURSOR_PASSES_HELD
	pin_unpinned(0);
	pin_unpinned(1);
#endif
	cursor[RELIABLE] = at
}

#ifndef ONLY_LOSSY
active proctype reliable()
{
	byte held[KEEP], number[KEEP], at, slot, copy, kept, i;
	bool pinned[KEEP];

	held[0] = NONE;
	held[1] = NONE;
	do
	:: atomic { at < MESSAGES && kept < KEEP && sequence[at % DEPTH] == at + 1 -> /* R1 */
		/* it is at our cursor or after it: nobody may touch it from here on */
		if
		:: place[at % DEPTH] != NONE -> read_now[RELIABLE] = read_now[RELIABLE] | bit(place[at % DEPTH])
		:: else
		fi };
		slot = place[at % DEPTH];
		copy = inside[at % DEPTH];
		if
		:: slot == NONE -> assert(copy == at + 1)
		:: else ->
			assert(bytes[slot] == at + 1);
			keep(i, false)
		fi;
		d_step { at++; slot = 0; copy = 0; i = 0 }
	:: held[0] != NONE -> release(RELIABLE, 0)
	:: held[1] != NONE -> release(RELIABLE, 1)
	:: cursor[RELIABLE] != at -> tell_reliable()
	:: at == MESSAGES && kept == 0 && cursor[RELIABLE] == at -> break
	od;
	done[RELIABLE] = true
}
#endif

/* The tail is beyond us: what is before it is gone. */
inline count_lost()
{
	d_step {
		lapped = tail > at;
		if
		:: lapped -> lost = lost + (tail - at); at = tail
		:: else
		fi
	}
}

inline pin_now()
{
#ifdef BUG_NO_FENCE_AFTER_PIN
	atomic { !pin_leaves -> pin_new = pins[LOSSY] | bit(slot); pin_leaves = true }
#else
	pins[LOSSY] = pins[LOSSY] | bit(slot) /* H2: store and fence */
#endif
}

#ifndef ONLY_RELIABLE
active proctype lossy()
{
	byte held[KEEP], number[KEEP], at, slot, copy, kept, lost, taken, i;
	bool pinned[KEEP], lapped;

	held[0] = NONE;
	held[1] = NONE;
	do
	:: at < MESSAGES && kept < KEEP && sequence[at % DEPTH] == at + 1 -> /* R1 */
		slot = place[at % DEPTH];
		copy = inside[at % DEPTH];
#ifndef BUG_NO_LOOK_AFTER_COPY
		count_lost();
#endif
		if
		:: lapped
		:: !lapped && slot == NONE ->
			assert(copy == at + 1);
			d_step { at++; taken++ }
		:: !lapped && slot != NONE && (pins[LOSSY] & bit(slot)) ->
			assert(false) /* what it names is pinned by us, so it cannot be in use again */
		:: else ->
			pin_now();
			atomic {
#ifndef BUG_NO_LOOK_AFTER_PIN
				count_lost();
#endif
				if
				:: lapped
				:: else -> read_now[LOSSY] = read_now[LOSSY] | bit(slot)
				fi
			}
#ifdef BUG_NO_FENCE_AFTER_PIN
			!pin_leaves; /* its later stores wait for this one */
#endif
			if
			:: lapped -> pins[LOSSY] = pins[LOSSY] & ~bit(slot)
			:: else ->
				assert(bytes[slot] == at + 1);
				keep(i, true);
				d_step { at++; taken++ }
			fi
		fi;
		d_step { lapped = false; slot = 0; copy = 0; i = 0 }
	:: at < MESSAGES && sequence[at % DEPTH] > at + 1 -> /* lapped, as the sequence says already */
		count_lost();
		assert(lapped); /* the tail was moved before the entry was overwritten */
		lapped = false
	:: held[0] != NONE -> release(LOSSY, 0)
	:: held[1] != NONE -> release(LOSSY, 1)
	:: cursor[LOSSY] != at -> cursor[LOSSY] = at
	:: at == MESSAGES && kept == 0 && cursor[LOSSY] == at -> break
	od;
	assert(taken + lost == MESSAGES);
	done[LOSSY] = true
}
#endif
