/*
 * quiesce.pml - workers that reduce, send each other messages, rest and are woken; and that find out when all is over.
 *
 * A worker that rests has said how many messages it has sent and received. Whoever comes to rest looks whether all rest and
 * whether all that was sent was received; then it announces that it is about to say so, and looks whether anybody has
 * moved since. Whoever wants to become busy after that sees the announcement and rests again. What is to be shown: when it is said
 * that all is over no message is on its way and nobody is busy, ever after; and it is said (who waits for ever is an invalid end
 * state).
 *
 *	worker            reducer/net: quiesce_lie_down(), quiesce_look(), quiesce_rise(), quiesce_sleep(), mail_wake()
 *
 *	BUG_STATES_ONLY           it is enough that all rest
 *	BUG_ONE_LOOK              nobody looks again after the announcement
 *	BUG_NO_ANNOUNCEMENT       whoever becomes busy does not look for it
 *	BUG_COUNTS_LATE           the state is shown first, then the counts
 *	BUG_STATE_WITHOUT_NUMBER  a worker that was busy between the looks looks as if it never was
 *	BUG_BELL_FIRST            the bell is rung, then the note is left that there is mail
 *	BUG_SLEEP_AT_ONCE         whoever goes to sleep does not look at its mail first
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef MESSAGES
#define MESSAGES 3
#endif

byte ring[WORKERS];   /* messages on their way to each */
byte left = MESSAGES; /* that may still be sent */
byte state[WORKERS];  /* changes * 2 + 1 when it rests */
byte sent[WORKERS], received[WORKERS];
bool inbox[WORKERS], asleep[WORKERS], closing[WORKERS];
bool ended;

#define rests(s) ((s) & 1)

inline change(rest)
{
#ifdef BUG_STATE_WITHOUT_NUMBER
	state[me] = rest
#else
	state[me] = ((state[me] >> 1) + 1) * 2 + rest
#endif
}

inline look()
{
	d_step { sum = 0; all = true; i = 0 }
	do
	:: i < WORKERS ->
		seen[i] = state[i];
		d_step {
			all = all && rests(seen[i]);
		}
		sum = sum + sent[i];
		sum = sum - received[i];
		i++
	:: else -> break
	od;
#ifdef BUG_STATES_ONLY
	sum = 0;
#endif
	if
	:: all && sum == 0 ->
		closing[me] = true;
#ifndef BUG_ONE_LOOK
		i = 0;
		do
		:: i < WORKERS -> all = all && seen[i] == state[i]; i++
		:: else -> break
		od;
#endif
		if
		:: all ->
			atomic {
				i = 0;
				do
				:: i < WORKERS -> assert(ring[i] == 0); i++
				:: else -> break
				od;
				ended = true
			}
		:: else
		fi;
		closing[me] = false
	:: else
	fi
}

inline ring_bell(who)
{
#ifdef BUG_BELL_FIRST
	asleep[who] = false;
	inbox[who] = true
#else
	inbox[who] = true;
	asleep[who] = false
#endif
}

proctype worker(byte me)
{
	byte has_sent, has_received, i, to, seen[WORKERS];
	short sum;
	bool all;

busy:
	assert(!ended);
	do
	:: atomic { left > 0 -> left-- }
		to = (me + 1) % WORKERS;
		has_sent++;
		ring[to]++;
		ring_bell(to)
	:: atomic { ring[me] > 0 -> assert(!ended); ring[me]-- }
		has_received++
	:: ring[me] == 0 -> break
	od;
	inbox[me] = false;
	if
	:: ring[me] > 0 -> goto busy
	:: else
	fi;
#ifdef BUG_COUNTS_LATE
	change(1);
	sent[me] = has_sent;
	received[me] = has_received;
#else
	sent[me] = has_sent;
	received[me] = has_received;
	change(1);
#endif
	look();
resting:
	if
	:: ended -> goto over
	:: !ended
	fi;
	if
	:: inbox[me] ->
		change(0);
#ifndef BUG_NO_ANNOUNCEMENT
		i = 0;
		all = true;
		do
		:: i < WORKERS -> all = all && !closing[i]; i++
		:: else -> break
		od;
		if
		:: all && !ended -> goto busy
		:: else
		fi;
		change(1);
		look();
		goto resting
#else
		goto busy
#endif
	:: !inbox[me]
	fi;
	asleep[me] = true;
	if
#ifndef BUG_SLEEP_AT_ONCE
	:: inbox[me] -> skip
#endif
	:: ended -> skip
	:: else -> asleep[me] == false || ended
	fi;
	asleep[me] = false;
	goto resting;
over:
	skip
}

init {
	byte k;

	atomic {
		k = 0;
		do
		:: k < WORKERS -> run worker(k); k++
		:: else -> break
		od
	}
}
