/*
 * life.pml - a publisher and its subscribers find each other, talk, and die.
 *
 * Publisher 0 may be killed between any two steps, and so may subscriber 0; publisher 1 is the successor of publisher 0. A
 * publisher has two threads, a biased lock between them, and a log of two entries. A subscriber takes the streams of both, one
 * after the other. Who is killed leaves what it stored and what it sent; its sockets hang up, its pidfd says so. Everybody
 * else comes to an end: who waits for ever is an error too.
 *
 *	user: open, publish, make_room, let_go, end    topic/listener.c, publish.c, reclaim.c, full.c, follow.c, publisher.c
 *	enter, leave, claim, yield                     topic/bias.h, bias.c
 *	control: let_in, part                          topic/control.c, grant.c, follow.c
 *	subscriber: find, connect, attach              topic/progress.c, place.c, connection.c
 *	take, settle                                   topic/take.c, subscriber.c
 *
 * -DKILL_PUBLISHER, -DKILL_SUBSCRIBER: somebody kills; -DSUCCESSOR: there is one; -DTWO: two subscribers, of which 0 is killed;
 * -DLET_GO: who stands in the way is let go (PLX_FULL_DROP).
 *
 *	BUG_NO_BARRIER           control enters without membarrier: both threads are inside (B1, B4)
 *	BUG_LIST_BEFORE_WATCH    a subscriber lists the names, then watches: one is never found
 *	BUG_NAME_BEFORE_LISTEN   a socket gets its name, then listens: it is taken for a dead one's and removed
 *	BUG_FOLLOW_AFTER_GRANT   the grant is sent, and only then its reader is followed
 *	BUG_START_OUTSIDE        where a reader starts is decided before the lock is there
 *	BUG_CURSOR_BELIEVED      the zero in a link that is not begun yet is taken for a cursor
 *	BUG_DEAD_FOLLOWED        a dead reader is never parted from
 *	BUG_LOG_NOT_DRAINED      its publisher is dead: what lies in the log is not taken
 *	BUG_LOOK_BEFORE_HANGUP   nothing there; then it hangs up; so that was all
 *	BUG_END_BELIEVED         nothing there; then the end; so that was all (R4)
 *	BUG_FRESH_HEEDED         whom it concerned that somebody was let go before a reader began is not asked
 *	BUG_NOT_CALLED           a reader does not look whether somebody was let go
 *	BUG_COUNT_BEFORE_BYTE    somebody was let go, says the count; who, says a byte that comes later
 *	BUG_COUNT_AFTER_REUSE    the count comes when the entries are in use again
 */
#ifndef MESSAGES
#define MESSAGES 4
#endif
#ifdef SUCCESSOR
#define PUBS 2
#else
#define PUBS 1
#endif
#ifdef TWO
#define SUBS 2
#else
#define SUBS 1
#endif
#ifndef DEPTH
#define DEPTH 2
#endif
#define LAST (PUBS - 1)
#define NOBODY 0
#define TEMPORARY 1
#define VISIBLE 2

#define entry(pub, position) ((pub) * DEPTH + (position) % DEPTH)
#define link(pub, sub) ((pub) * SUBS + (sub))

/* the directory, and who watches it */
byte name[PUBS];
bool listening[PUBS], watching[SUBS], news[SUBS];
/* a connection: what is in its queues, and whether the publisher shut it */
bool knocked[PUBS * SUBS], granted[PUBS * SUBS], told_to_go[PUBS * SUBS];
byte start[PUBS * SUBS];
/* the data segments and the links */
byte sequence[PUBS * DEPTH], value[PUBS * DEPTH], attention[PUBS];
bool ended[PUBS];
byte cursor[PUBS * SUBS];
/* who is dead, or left */
bool dead_pub[PUBS], closed[PUBS], dead_sub[SUBS], left[PUBS * SUBS];
#define gone(pub) (dead_pub[pub] || closed[pub])

/* private memory of a publisher, for both its threads */
bool busy_own[PUBS], busy[PUBS], wants[PUBS]; /* busy_own: what the user stored, and may still be in its store buffer */
bool following[PUBS * SUBS];
byte believed[PUBS * SUBS], next[PUBS], tail[PUBS];
/* what nobody sees */
bool user_inside[PUBS], control_inside[PUBS];
bool joined[SUBS]; /* readers that the last publisher ever counted */

/* ---- the biased lock ------------------------------------------------------------------------------- */

/* With a successor there are steps enough: there stores are seen at once. */
#ifdef SUCCESSOR
#define store_busy() d_step { busy_own[me] = true; busy[me] = true }
#else
#define store_busy() busy_own[me] = true
active proctype store_buffer()
{
end:
	do
	:: atomic { busy_own[0] && !busy[0] -> busy[0] = true }
	od
}
#endif

inline leave()
{
	d_step { user_inside[me] = false; busy_own[me] = false; busy[me] = false }
}

inline enter()
{
	do
	:: store_busy();
	   if
	   :: atomic { !wants[me] -> user_inside[me] = true; assert(!control_inside[me]) }; break
	   :: wants[me] -> leave(); !wants[me]
	   fi
	od
}

inline claim()
{
	wants[me] = true;
#ifndef BUG_NO_BARRIER
	d_step { busy[me] = busy_own[me] }; /* membarrier() */
#endif
	atomic { !busy[me] -> control_inside[me] = true; assert(!user_inside[me]) }
}

inline yield()
{
	d_step { control_inside[me] = false; wants[me] = false }
}

/* ---- a publisher ----------------------------------------------------------------------------------- */

/* read_cursors(), move_tail(): the tail stands where the last reader is. */
inline look()
{
	d_step {
		gate = next[me];
		s = 0;
		do
		:: s < SUBS && following[link(me, s)] ->
#ifdef BUG_CURSOR_BELIEVED
			believed[link(me, s)] = cursor[link(me, s)];
#else
			if
			:: cursor[link(me, s)] > believed[link(me, s)] -> believed[link(me, s)] = cursor[link(me, s)]
			:: else
			fi;
#endif
			if
			:: believed[link(me, s)] < gate -> gate = believed[link(me, s)]; slowest = s
			:: else
			fi;
			s++
		:: s < SUBS && !following[link(me, s)] -> s++
		:: else -> s = 0; break
		od;
		assert(gate >= tail[me]); /* nobody wants what is gone */
		tail[me] = gate;
		gate = 0
	}
}

/* plx_member_let_go() */
inline let_go()
{
#ifdef BUG_COUNT_BEFORE_BYTE
	attention[me]++;
#endif
	told_to_go[link(me, slowest)] = true;
#if !defined(BUG_COUNT_BEFORE_BYTE) && !defined(BUG_COUNT_AFTER_REUSE)
	attention[me]++;
#endif
	d_step { following[link(me, slowest)] = false; late = true }
}

/* plx_full_pause(), plx_publisher_drain(): outside, where the control thread gets its turn, until there is news */
inline pause()
{
	leave();
	!following[link(me, slowest)] || cursor[link(me, slowest)] > believed[link(me, slowest)];
	enter()
}

inline publish()
{
	enter();
	do
	:: next[me] - tail[me] < DEPTH -> break
	:: else ->
		look();
		if
		:: next[me] - tail[me] < DEPTH
		:: else ->
#ifdef LET_GO
			let_go()
#else
			pause()
#endif
		fi
	od;
	value[entry(me, next[me])] = next[me] + 1;
#ifdef BUG_COUNT_AFTER_REUSE
	if
	:: late -> attention[me]++; late = false
	:: else
	fi;
#endif
	d_step { next[me]++; sequence[entry(me, next[me] - 1)] = next[me] };
	leave()
}

inline appear()
{
#ifdef BUG_NAME_BEFORE_LISTEN
	listening[me] = false;
#else
	name[me] = TEMPORARY;
	listening[me] = true;
#endif
	d_step { /* rename(); whoever watches is told */
		name[me] = VISIBLE;
		s = 0;
		do
		:: s < SUBS -> news[s] = news[s] || watching[s]; s++
		:: else -> s = 0; break
		od
	}
#ifdef BUG_NAME_BEFORE_LISTEN
	; listening[me] = true
#endif
}

proctype user(byte me)
{
	byte s, gate, slowest;
	bool late;

	{
		appear();
		do
		:: next[me] == MESSAGES -> break
		:: else ->
			if
			:: me == LAST && next[me] == MESSAGES - 1 -> /* plx_publisher_wait_subscribers() */
				joined[0] || dead_sub[0];
				joined[SUBS - 1] || dead_sub[SUBS - 1]
			:: else
			fi;
			publish()
		od;
		enter();
		ended[me] = true; /* end_position is next: nothing follows */
		leave();
		enter();
		do /* drain: until all have read everything, or are gone */
		:: look();
		   if
		   :: tail[me] == next[me] -> break
		   :: else -> pause()
		   fi
		od;
		leave();
		name[me] = NOBODY;
		closed[me] = true
	} unless { dead_pub[me] }
}

/* Where a reader starts, that it is followed, and its grant: one step for the user. */
inline let_in(s)
{
#ifdef BUG_START_OUTSIDE
	start[link(me, s)] = next[me];
#endif
#ifdef BUG_FOLLOW_AFTER_GRANT
	start[link(me, s)] = next[me];
	granted[link(me, s)] = true;
#endif
	claim();
#if !defined(BUG_START_OUTSIDE) && !defined(BUG_FOLLOW_AFTER_GRANT)
	start[link(me, s)] = next[me] - history;
	if
	:: start[link(me, s)] < tail[me] || start[link(me, s)] > next[me] -> start[link(me, s)] = tail[me]
	:: else
	fi;
#endif
	d_step { following[link(me, s)] = true; believed[link(me, s)] = start[link(me, s)] };
	granted[link(me, s)] = true;
	joined[s] = me == LAST;
	yield()
}

inline part(s)
{
#ifndef BUG_DEAD_FOLLOWED
	claim();
	following[link(me, s)] = false;
	yield();
#endif
	left[link(me, s)] = true
}

#define knocks(s) (knocked[link(me, s)] && !granted[link(me, s)] && !left[link(me, s)] && !dead_sub[s])
#define died(s)   (knocked[link(me, s)] && dead_sub[s] && !left[link(me, s)])

proctype control(byte me)
{
	byte history = 1;

	{
end:
		do
		:: closed[me] -> break
		:: !closed[me] && knocks(0) -> let_in(0)
		:: !closed[me] && died(0) -> part(0)
#if SUBS == 2
		:: !closed[me] && knocks(1) -> let_in(1)
		:: !closed[me] && died(1) -> part(1)
#endif
		od
	} unless { dead_pub[me] }
}

/* ---- a subscriber ---------------------------------------------------------------------------------- */

inline watch()
{
#ifdef BUG_LIST_BEFORE_WATCH
	skip
#else
	watching[me] = true
#endif
}

/* The stream of publisher p is over. */
inline over()
{
	d_step { done = done | (1 << p); reading = false; at = 0; copy = 0; hung_up = false; quiet = false; heeded = 0; now = 0; seen = 0 }
}

inline read_link()
{
	do
	:: !reading -> break
	:: reading ->
		/* what the socket says is looked at now and then */
		if
		:: gone(p) && !hung_up -> hung_up = true
		:: told_to_go[link(p, me)] -> over(); goto find
		:: skip
		fi;
#ifdef BUG_LOG_NOT_DRAINED
		if
		:: hung_up -> assert(at == next[p]); over(); goto find
		:: else
		fi;
#endif
		quiet = !hung_up;
		seen = sequence[entry(p, at)];
		if
		:: seen == at + 1 ->
			copy = value[entry(p, at)];
			now = attention[p];
			if
#ifndef BUG_NOT_CALLED
			:: now != heeded -> /* plx_connection_input() */
				if
				:: told_to_go[link(p, me)] -> over(); goto find
				:: else -> heeded = now
				fi
#endif
			:: else ->
				assert(copy == at + 1);
				at++;
				if
				:: cursor[link(p, me)] = at
				:: at < MESSAGES -> skip /* told lazily; before it waits at the latest */
				fi
			fi
		:: seen > at + 1 ->
			assert(told_to_go[link(p, me)]); /* or it would seem to lie */
			over();
			goto find
		:: else ->
			if
			:: cursor[link(p, me)] != at -> cursor[link(p, me)] = at
			:: else
			fi;
			if
			:: ended[p] ->
#ifdef BUG_END_BELIEVED
				assert(at == next[p]);
				over();
				goto find
#else
				if
				:: at == next[p] -> over(); goto find
				:: else /* look again */
				fi
#endif
			:: !ended[p] &&
#ifdef BUG_LOOK_BEFORE_HANGUP
			   (hung_up || gone(p)) ->
#else
			   hung_up && !quiet ->
#endif
				assert(told_to_go[link(p, me)] || at == next[p]); /* that was all there was */
				over();
				goto find
			:: else
			fi
		fi;
		d_step { seen = 0; copy = 0; now = 0; quiet = false }
	od
}

proctype subscriber(byte me)
{
	byte p, at, copy, done, heeded, seen, now;
	bool reading, hung_up, quiet;

	{
		watch();
find:
		p = 0;
		do
		:: p < PUBS && name[p] == VISIBLE && !(done & (1 << p)) -> break
		:: p < PUBS && !(name[p] == VISIBLE && !(done & (1 << p))) -> p++
		:: p == PUBS ->
#ifdef BUG_LIST_BEFORE_WATCH
			watching[me] = true;
#endif
			if
			:: done & (1 << LAST) -> goto out
			:: !(done & (1 << LAST)) ->
#if defined(KILL_PUBLISHER) && !defined(SUCCESSOR)
end_waits:
#endif
				atomic { news[me] -> news[me] = false; p = 0 }
			fi
		od;
		/* connect() */
		if
		:: listening[p] && !gone(p) -> knocked[link(p, me)] = true
		:: else -> name[p] = NOBODY; goto find /* ECONNREFUSED: a dead one's name is removed */
		fi;
		if
		:: granted[link(p, me)] -> /* also when it died meanwhile */
			at = start[link(p, me)];
#ifdef BUG_FRESH_HEEDED
			heeded = attention[p];
#endif
			cursor[link(p, me)] = at;
			reading = true
		:: gone(p) && !granted[link(p, me)] -> over(); goto find
		fi;
		read_link();
out:
		skip
	} unless { dead_sub[me] }
}

/* ---- whoever kills --------------------------------------------------------------------------------- */

#ifdef KILL_SUBSCRIBER
active proctype kill_subscriber() { dead_sub[0] = true }
#endif

init {
	atomic {
#ifdef TWO
		run subscriber(1);
#endif
		run subscriber(0);
		run user(0);
		run control(0)
	}
#ifdef KILL_PUBLISHER
	dead_pub[0] = true;
#endif
#ifdef SUCCESSOR
	atomic { gone(0); run user(LAST); run control(LAST) }
#endif
}
