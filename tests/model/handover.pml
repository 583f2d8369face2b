/*
 * handover.pml - one slot of a partition goes from worker to worker and back, while it is sent to, and while all of them die.
 *
 * A sender looks whose the slot is, writes the message into its lane to that worker, publishes it. A worker takes the next one,
 * notes what the slot's memory was, changes it, and acknowledges: that is one store, which makes the change final and the
 * note void. Who comes after a dead worker first puts back what is noted. The owner of the pool moves the slot: it holds
 * senders back, waits until none is in the middle of sending, and until the old worker has acknowledged all that is in its
 * lanes; then the slot is the new one's.
 *
 * The slot's memory holds the number of the last message: each message must find the one before it there, and in the end
 * all have come, whoever died where. (Who waits for ever is an invalid end state.)
 *
 *	sender            libshm/work: plx_sender_send()
 *	worker            libshm/work: handle, plx_worker_note(), acknowledge, and what a successor does first
 *	mover             libshm/work: plx_workers_move()
 *
 *	BUG_MOVED_AT_ONCE          the slot is the new worker's while the old one still has messages for it
 *	BUG_SENDER_NOT_AWAITED     ... while a sender is about to send to the old one
 *	BUG_NO_FENCE               what a sender says about itself may be seen after it looked whose the slot is
 *	BUG_LANE_BEFORE_SENDER     first what is in the lane is read, then the sender is waited for
 *	BUG_TAKEN_IS_ENOUGH        the old worker needs only have taken the messages
 *	BUG_NOTHING_PUT_BACK       a successor goes on from what it finds
 *	BUG_NOTED_AFTERWARDS       the memory is changed, then it is noted what it was
 *	BUG_TWO_STORES             the message is acknowledged, then the note is void
 *	BUG_NOTE_VOID_FIRST        the note is void, then the message is acknowledged
 *	BUG_ACKNOWLEDGED_FIRST     a message is acknowledged, then handled
 */
#ifndef MESSAGES
#define MESSAGES 4
#endif
#ifndef MOVES
#define MOVES 3
#endif
#ifndef DEATHS
#define DEATHS 3
#endif
#define NOBODY 2
#define SENDER 2 /* its number among those that may die */

/* the segment */
byte slot_owner, memory;
bool sending; /* the sender says: I am in the middle of it */
byte published[2], taken[2];
byte lane0[MESSAGES + 1], lane1[MESSAGES + 1];
/* a worker's record: what is acknowledged, and what is noted of the message after it; one store switches between two */
byte acknowledged[4], note[4];
bool noted[4], which[2];

/* what nobody sees, and a store on its way */
byte deaths = DEATHS;
bool dead[3], sent_all, leaves;

#define now(w)	(2 * (w) + which[w])
#define then(w) (2 * (w) + 1 - which[w])

#define OR_DIE :: atomic { deaths > 0 -> deaths--; dead[me] = true; goto gone }

active proctype sender()
{
	byte me = SENDER, n, to;

again:
	/* which message is the next: a sender knows from its lanes what it had sent */
	atomic {
		n = published[0] + published[1] + 1;
		if
		:: n > MESSAGES -> goto done
		:: else
		fi
	}
	if
#ifdef BUG_NO_FENCE
	:: leaves = true
#else
	:: sending = true
#endif
	OR_DIE
	fi;
	if
	:: to = slot_owner
	OR_DIE
	fi;
	if
	:: to == NOBODY -> /* being moved: not now */
		atomic { leaves = false; sending = false };
		if
		:: slot_owner != NOBODY
		OR_DIE
		fi;
		goto again
	:: else
	fi;
	if
	:: atomic {
		if
		:: to == 0 -> lane0[published[0]] = n
		:: else -> lane1[published[1]] = n
		fi
	}
	OR_DIE
	fi;
	if
	:: atomic { /* stores are seen in their order */
		if
		:: leaves -> leaves = false; sending = true
		:: else
		fi;
		published[to]++
	}
	OR_DIE
	fi;
	if
	:: atomic { sending = false; to = 0 }
	OR_DIE
	fi;
	goto again;
gone:
	/* who dies says nothing any more; a successor takes the seat when its death has been seen */
	atomic { !dead[me] -> leaves = false; sending = false; to = 0; goto again };
done:
	atomic { n = 0; to = 0; sent_all = true }
}

#ifdef BUG_NO_FENCE
active proctype buffer()
{
end:
	do
	:: atomic { leaves -> leaves = false; sending = true }
	od
}
#endif

proctype worker(byte me)
{
	byte m;

again:
	/* a successor: nothing is to do, or the message that was not finished */
#ifndef BUG_NOTHING_PUT_BACK
	if
	:: noted[now(me)] ->
		if
		:: memory = note[now(me)]
		OR_DIE
		fi;
		if
		:: atomic { noted[now(me)] = false; note[now(me)] = 0 }
		OR_DIE
		fi
	:: else
	fi;
#endif
next:
end_idle:
	if
	:: atomic {
		acknowledged[now(me)] < published[me] ->
		if
		:: me == 0 -> m = lane0[acknowledged[now(me)]]
		:: else -> m = lane1[acknowledged[now(me)]]
		fi;
		taken[me] = acknowledged[now(me)] + 1
	}
	OR_DIE
	fi;
#ifdef BUG_ACKNOWLEDGED_FIRST
	atomic { acknowledged[now(me)]++ };
#endif
#ifdef BUG_NOTED_AFTERWARDS
	if
	:: atomic { assert(memory == m - 1); note[now(me)] = memory; memory = m }
	OR_DIE
	fi;
	if
	:: noted[now(me)] = true
	OR_DIE
	fi;
#else
	if
	:: note[now(me)] = memory
	OR_DIE
	fi;
	if
	:: noted[now(me)] = true
	OR_DIE
	fi;
	if
	:: atomic { assert(memory == m - 1); memory = m }
	OR_DIE
	fi;
#endif
#if defined(BUG_TWO_STORES)
	if
	:: acknowledged[now(me)]++
	OR_DIE
	fi;
	if
	:: noted[now(me)] = false
	OR_DIE
	fi;
#elif defined(BUG_NOTE_VOID_FIRST)
	if
	:: noted[now(me)] = false
	OR_DIE
	fi;
	if
	:: acknowledged[now(me)]++
	OR_DIE
	fi;
#elif defined(BUG_ACKNOWLEDGED_FIRST)
	if
	:: noted[now(me)] = false
	OR_DIE
	fi;
#else
	if
	:: atomic { acknowledged[then(me)] = acknowledged[now(me)] + 1; noted[then(me)] = false; note[then(me)] = 0 }
	OR_DIE
	fi;
	if
	:: atomic { which[me] = 1 - which[me]; acknowledged[then(me)] = 0; noted[then(me)] = false; note[then(me)] = 0; m = 0 }
	OR_DIE
	fi;
#endif
	goto next;
gone:
end_gone:
	atomic { !dead[me] -> m = 0; goto again }
}

#ifdef BUG_TAKEN_IS_ENOUGH
#define DONE(w) taken[w]
#else
#define DONE(w) acknowledged[now(w)]
#endif

active proctype mover()
{
	byte from, to, upto, i;

	run worker(0);
	run worker(1);
	do
	:: i < MOVES ->
		d_step { from = slot_owner; to = 1 - from };
#ifdef BUG_MOVED_AT_ONCE
		slot_owner = to;
#else
		slot_owner = NOBODY;
#ifdef BUG_LANE_BEFORE_SENDER
		upto = published[from];
#endif
#ifndef BUG_SENDER_NOT_AWAITED
		!sending || dead[SENDER];
#endif
#ifndef BUG_LANE_BEFORE_SENDER
		upto = published[from];
#endif
		DONE(from) >= upto;
		slot_owner = to;
#endif
		d_step { i++; from = 0; to = 0; upto = 0 }
	:: else -> break
	od
}

/* Deaths are seen some time; what a dead sender said about itself is forgotten with it. */
active proctype supervisor()
{
end_idle:
	do
	:: dead[0] -> dead[0] = false
	:: dead[1] -> dead[1] = false
	:: atomic { dead[SENDER] && !sent_all -> dead[SENDER] = false }
	od
}

active proctype judge()
{
	/* nothing can move any more */
	atomic {
		timeout;
		assert(sent_all && memory == MESSAGES);
		assert(acknowledged[now(0)] == published[0] && acknowledged[now(1)] == published[1])
	}
}
