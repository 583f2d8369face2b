/*
 * transfer.pml - a partition changes hands between two workers that die anywhere, while somebody sends it messages.
 *
 * One word says whose the partition is: a generation, a phase, a worker. The supervisor wishes for one generation, the owner commits
 * and gives, whoever was given it says so, recovers, and holds it. The supervisor passes on what a dead one had, to its successor, or, when
 * it was leaving, to the other. What is to be shown: nobody touches the partition but the one that the word names, nobody goes on with
 * what was not recovered, every message is received once, and nobody waits for ever (an invalid end state).
 *
 *	worker            reducer/net: heed(), give(), take() in host.c, quiesce_sleep()
 *	sender            mail_wake()
 *	supervisor        net_on_death(), owner_bequeath(), net_roster()
 *
 *	BUG_GIVEN_UNCOMMITTED  the word is stored, then the batch is committed
 *	BUG_WISH_OF_ANY_AGE    a wish counts also when the partition has moved since
 *	BUG_NOT_RECOVERED      who takes a partition goes on with what it finds
 *	BUG_NOBODY_TOLD        after a death nobody is rung
 *	BUG_BELL_FIRST         the sender looks whose bell to ring, then sends
 *	BUG_SLEEP_AT_ONCE      who goes to sleep does not look into the inbox of what it holds
 *	BUG_GIVEN_UNTOLD       who gives does not tell
 *	BUG_LEAVE_AT_ONCE      somebody is told to leave while a wish for it is open
 *	BUG_PASSED_ON_ALIVE    what a worker has that only seems dead is passed on
 */
#ifndef MESSAGES
#define MESSAGES 2
#endif
#ifndef MOVES
#define MOVES 2
#endif
#ifndef DEATHS
#define DEATHS 2
#endif

#define GIVEN 1
#define TAKEN 2
#define HELD  3

byte owner = 0, phase = GIVEN, generation;
byte wish_generation, wish_to;
bool wish;
bool inbox, dirty;
byte tail, head; /* messages sent, and received for good */
bool asked[2], asleep[2], leave[2];
bool runs[2] = true; /* there is a process, or will be: in the supervisor's eyes */
bool dead[2], gone[2], touches[2];
byte deaths = DEATHS, moves = MOVES;

#define done		(head == MESSAGES)
#define OR_DIE		:: atomic { deaths > 0 && !done -> deaths--; goto dies }
#define W(step)		if :: step OR_DIE fi
#define TOUCH(step)	if :: atomic { assert(!touches[1 - me]); touches[me] = true; step } OR_DIE fi; touches[me] = false
#define pass(to)	generation++; phase = GIVEN; owner = to
#ifdef BUG_WISH_OF_ANY_AGE
#define wished(me)	(wish && wish_to != me)
#else
#define wished(me)	(wish && wish_generation == generation && wish_to != me)
#endif

proctype worker(byte me)
{
	bool mine, batch;

	do
	:: done -> goto ends
	:: else ->
		/* heed */
		W(asked[me] = false);
		if
		:: mine && wished(me) ->
#ifdef BUG_GIVEN_UNCOMMITTED
			TOUCH(dirty = true);
			W(d_step { pass(wish_to) });
			TOUCH(dirty = false);
#else
			TOUCH(dirty = false);
			W(d_step { pass(wish_to) });
#endif
			mine = false;
#ifndef BUG_GIVEN_UNTOLD
			W(d_step { asked[0] = true; asked[1] = true });
			W(asleep[1 - me] = false)
#endif
		:: owner == me && phase == GIVEN && !mine ->
			W(phase = TAKEN);
#ifndef BUG_NOT_RECOVERED
			TOUCH(dirty = false);
#endif
			W(phase = HELD);
			mine = true
		:: else
		fi;
		if
		:: leave[me] && !mine && owner != me -> goto ends
		:: else
		fi;
		/* a batch, if there is mail */
		if
		:: mine ->
			W(inbox = false);
			batch = false;
			if
			:: tail > head -> batch = true
			:: else
			fi;
			if
			:: batch ->
				TOUCH(assert(!dirty); dirty = true);
				TOUCH(head++; dirty = false)
			:: else
			fi
		:: else -> batch = false
		fi;
		/* sleep */
		if
		:: !batch ->
			W(asleep[me] = true);
			if
			:: asked[me] || (leave[me] && owner != me) || done -> skip
#ifndef BUG_SLEEP_AT_ONCE
			:: mine && inbox -> skip
#endif
			:: else ->
				if
				:: !asleep[me] || done
				OR_DIE
				fi
			fi;
			asleep[me] = false
		:: else
		fi
	od;
dies:
	skip;
	d_step { touches[me] = false; dead[me] = true };
	goto over;
ends:
	skip;
	d_step { gone[me] = true };
over:
	skip
}

active proctype sender()
{
	byte to;

	do
	:: tail < MESSAGES ->
#ifdef BUG_BELL_FIRST
		to = owner;
		tail++;
		inbox = true;
#else
		tail++;
		inbox = true;
		to = owner;
#endif
		asleep[to] = false
	:: else -> break
	od
}

inline ring_all()
{
#ifdef BUG_NOBODY_TOLD
	skip
#else
	d_step { asked[0] = true; asked[1] = true };
	asleep[0] = false;
	asleep[1] = false
#endif
}

#define settled (phase == HELD && runs[owner] && !leave[0] && !leave[1] && !(wish && wish_generation == generation && wish_to != owner))

active proctype supervisor()
{
	byte i;

	run worker(0);
	run worker(1);
	do
	:: done -> break
	/* a death */
	:: !done && (dead[0] || dead[1]) ->
		i = (dead[0] -> 0 : 1);
		if
		:: owner == i && leave[i] -> d_step { pass(1 - i) }
		:: owner == i && !leave[i] -> d_step { pass(i) }
		:: else
		fi;
		ring_all();
		dead[i] = false;
		asleep[i] = false;
		if
		:: leave[i] -> d_step { leave[i] = false; runs[i] = false }
		:: else -> run worker(i)
		fi
#ifdef BUG_PASSED_ON_ALIVE
	:: !done && moves > 0 && runs[1 - owner] ->
		moves--;
		d_step { pass(1 - owner) };
		ring_all()
#endif
	/* who was told to leave has left */
	:: !done && (gone[0] && leave[0] || gone[1] && leave[1]) ->
		i = (gone[0] && leave[0] -> 0 : 1);
		d_step { gone[i] = false; leave[i] = false; runs[i] = false }
	/* the partition is to move, and its owner to leave, or to stay */
	:: atomic { !done && moves > 0 && settled && runs[1 - owner] -> moves--; i = owner };
		d_step { wish_generation = generation; wish_to = 1 - i; wish = true };
		if
		:: leave[i] = true
		:: skip
		fi;
		d_step { asked[0] = true; asked[1] = true };
		asleep[i] = false
	/* who has nothing is to leave */
#ifdef BUG_LEAVE_AT_ONCE
	:: atomic { !done && moves > 0 && phase == HELD && runs[0] && runs[1] && !leave[0] && !leave[1] -> moves--; i = 1 - owner };
#else
	:: atomic { !done && moves > 0 && settled && runs[0] && runs[1] -> moves--; i = 1 - owner };
#endif
		leave[i] = true;
		d_step { asked[0] = true; asked[1] = true };
		asleep[i] = false
	/* one that is not there joins */
	:: atomic { !done && moves > 0 && settled && !(runs[0] && runs[1]) -> moves--; i = (runs[0] -> 1 : 0) };
		d_step { runs[i] = true; asleep[i] = false };
		run worker(i)
	od
}
