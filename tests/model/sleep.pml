/*
 * sleep.pml - nobody sleeps for whom there is something, in either direction.
 *
 * A publisher with a log of two entries, and subscribers that sleep when they find nothing. Each process stores into a buffer
 * of its own, from which stores reach memory in their order but as late as they like: what x86 does, and what the fences are
 * for. A fence waits until the own buffer is empty, a membarrier until that of the other side is; system calls that wake
 * somebody empty the caller's, as the kernel's locks do. Nobody's sleep has a timeout here: who sleeps too long, sleeps
 * for ever, and spin finds that (an invalid end state).
 *
 *	publisher: send, wake_all, turn         topic/publish.c
 *	wait_for_room, announce, sleep_on       topic/full.c
 *	subscriber: fall_asleep, say_asleep     topic/wait.c
 *	tell, ring_at_wanted                    topic/hold.c
 *
 *	BUG_NO_BARRIER           who is about to sleep does not make its publisher fence (membarrier; S2, S1)
 *	BUG_NO_OWN_FENCE         nor itself: its sleep word is late when it looks for the last time
 *	BUG_NO_LAST_LOOK         it says that it sleeps, and sleeps, without looking once more
 *	BUG_ONE_EPOCH            all its sleeps have the same number: the second one was woken already, thinks the publisher
 *	BUG_WAKE_BEFORE_MESSAGE  the publisher looks who sleeps, then stores the message
 *	BUG_FENCED_UNFENCED      "I fence myself", says the publisher, and does not
 *	BUG_TURN_UNSEEN          it fences no more, and does not look once more at who relied on it (W3, S3)
 *	BUG_BATCH_SLEEPS         it waits for readers whom it has not woken yet
 *	BUG_WAIT_NO_BARRIER      it says that it waits, and does not make its readers fence
 *	BUG_WAIT_NO_FENCE        nor itself
 *	BUG_BELL_AFTER_LOOK      it looks for room, then reads the bell it is going to sleep on
 *	BUG_ASLEEP_UNTOLD        a subscriber goes to sleep, and has not told how far it got
 *	BUG_NOBODY_RINGS         a subscriber told how far it got, and did not look whether somebody waits for that
 */
#ifndef MESSAGES
#define MESSAGES 4
#endif
#ifndef SUBS
#define SUBS 1
#endif
#ifndef DEPTH
#define DEPTH 2
#endif
#define LULL 2 /* looks in vain until it is the sleepers' turn to fence again */
#define NOBODY SUBS

mtype = { HEAD, FENCED, WAITING, WANTED, SLEEP, CURSOR, BELL };

/* memory */
byte head, fenced, waiting, wanted;
byte sleep[SUBS], cursor[SUBS], bell[SUBS]; /* sleep: odd = asleep, the rest its number */
/* what the kernel knows */
bool rung[SUBS]; /* an alarm that was not reported yet */
bool publisher_sleeps;
/* stores on their way */
chan pub_late = [4] of { mtype, byte };
chan sub_late[SUBS] = [3] of { mtype, byte };

inline arrive_pub()
{
	pub_late ? what, value;
	if
	:: what == HEAD -> head = value
	:: what == FENCED -> fenced = value
	:: what == WAITING -> waiting = value
	:: what == WANTED -> wanted = value
	fi
}

inline arrive_sub(i)
{
	sub_late[i] ? what, value;
	if
	:: what == SLEEP -> sleep[i] = value
	:: what == CURSOR -> cursor[i] = value
	:: what == BELL -> bell[i] = value
	fi
}

active proctype buffers()
{
	mtype what;
	byte value;
end:
	do
	:: atomic { nempty(pub_late) -> arrive_pub(); what = 0; value = 0 }
	:: atomic { nempty(sub_late[0]) -> arrive_sub(0); what = 0; value = 0 }
#if SUBS > 1
	:: atomic { nempty(sub_late[1]) -> arrive_sub(1); what = 0; value = 0 }
#endif
	od
}

#define fence_pub() empty(pub_late)
#define fence_sub(i) empty(sub_late[i])

/* ---- the publisher --------------------------------------------------------------------------------- */

/* wake_all(): @any says whether it woke somebody. */
inline look_who_sleeps()
{
	any = false;
	if
#ifndef BUG_FENCED_UNFENCED
	:: own_fenced -> fence_pub()
	:: !own_fenced
#else
	:: true
#endif
	fi;
	i = 0;
	do
	:: i < SUBS ->
	   word = sleep[i]; /* S1 */
	   if
	   :: (word & 1) && word != woken[i] ->
	      atomic { fence_pub(); rung[i] = true }
	      woken[i] = word;
	      any = true
	   :: else
	   fi;
	   i++
	:: else -> break
	od;
	word = 0
}

inline turn(on)
{
	own_fenced = on;
	lull = 0;
	pub_late ! FENCED, on /* W3 */
}

/* plx_publisher_wake() */
inline wake()
{
	unflushed = false;
	look_who_sleeps();
	if
	:: any ->
	   lull = 0;
	   if
	   :: !own_fenced -> turn(1)
	   :: own_fenced
	   fi
	:: !any && own_fenced ->
	   lull++;
	   if
	   :: lull == LULL ->
	      turn(0);
#ifndef BUG_TURN_UNSEEN
	      fence_pub();
	      look_who_sleeps()
#endif
	   :: else
	   fi
	:: else
	fi
}

/* @who has not read what lies where the next message goes; NOBODY: there is room */
inline look_for_room()
{
	d_step {
		who = NOBODY;
		i = 0;
		do
		:: i < SUBS ->
		   if
		   :: cursor[i] > believed[i] -> believed[i] = cursor[i]
		   :: else
		   fi;
		   if
		   :: who == NOBODY && next - believed[i] == DEPTH -> who = i
		   :: else
		   fi;
		   i++
		:: else -> break
		od;
		i = 0
	}
}

inline barrier_for_readers()
{
	i = 0;
	do
	:: i < SUBS -> fence_sub(i); i++
	:: else -> break
	od;
	i = 0
}

/* room(), plx_full_pause(), plx_full_done() */
inline wait_for_room()
{
	look_for_room();
	if
	:: who == NOBODY
	:: else ->
#ifndef BUG_BATCH_SLEEPS
	   wake();
#endif
	   pub_late ! WANTED, believed[who] + 1;
	   pub_late ! WAITING, 1;
#ifndef BUG_WAIT_NO_FENCE
	   fence_pub();
#endif
#ifndef BUG_WAIT_NO_BARRIER
	   barrier_for_readers();
#endif
	   look_for_room();
	   do
	   :: who == NOBODY -> break
	   :: else ->
#ifdef BUG_BELL_AFTER_LOOK
	      last = who;
	      heard = bell[last]; /* F1 */
#else
	      last = who;
	      heard = bell[last];
	      look_for_room();
#endif
	      if
	      :: who == last ->
		 if /* futex(): it sleeps if the bell is still the same */
		 :: atomic { bell[last] == heard -> publisher_sleeps = true }
		    atomic { !publisher_sleeps }
		 :: atomic { bell[last] != heard }
		 fi;
		 look_for_room()
	      :: else
	      fi
	   od;
	   pub_late ! WAITING, 0
	fi;
	heard = 0;
	last = 0
}

active proctype publisher()
{
	byte next, i, word, who, last, heard, lull;
	byte believed[SUBS], woken[SUBS];
	bool own_fenced, any, unflushed;

	do
	:: next < MESSAGES ->
	   wait_for_room();
#ifdef BUG_WAKE_BEFORE_MESSAGE
	   wake();
#endif
	   next++;
	   pub_late ! HEAD, next; /* W1 */
	   if
#ifndef BUG_WAKE_BEFORE_MESSAGE
	   :: wake()
#endif
	   :: unflushed = true /* in a batch; or the alarm could not be rung */
	   fi
	:: else -> break
	od;
#ifndef BUG_WAKE_BEFORE_MESSAGE
	if
	:: unflushed -> wake()
	:: else
	fi
#endif
}

/* ---- a subscriber ---------------------------------------------------------------------------------- */

/* plx_reader_tell(), ring_at_wanted() */
inline tell()
{
	if
	:: told != next ->
	   told = next;
	   sub_late[me] ! CURSOR, told; /* T1 */
#ifndef BUG_NOBODY_RINGS
	   if /* plx_reader_waited_for(): its publisher has us fence */
	   :: waiting ->
	      position = wanted;
	      if
	      :: position != answered && told >= position ->
		 answered = position;
		 my_bell++;
		 sub_late[me] ! BELL, my_bell;
		 atomic { fence_sub(me); publisher_sleeps = false }
	      :: else
	      fi;
	      position = 0
	   :: !waiting
	   fi
#endif
	:: else
	fi
}

inline set_sleep(on)
{
#ifdef BUG_ONE_EPOCH
	my_sleep = on;
#else
	my_sleep = (my_sleep | 1) + 1 + on;
#endif
	sub_late[me] ! SLEEP, my_sleep /* S2 */
}

/* fall_asleep(), and awake again */
inline rest()
{
#ifndef BUG_ASLEEP_UNTOLD
	tell();
#endif
	if
	:: head != next
	:: head == next ->
	   set_sleep(1);
#ifndef BUG_NO_OWN_FENCE
	   fence_sub(me);
#endif
#ifndef BUG_NO_BARRIER
	   if
	   :: fenced /* S3 */
	   :: !fenced -> fence_pub() /* membarrier() */
	   fi;
#endif
#ifndef BUG_NO_LAST_LOOK
	   if
	   :: head != next
	   :: head == next ->
#endif
	      atomic { rung[me] -> rung[me] = false }
#ifndef BUG_NO_LAST_LOOK
	   fi;
#endif
	   set_sleep(0)
	fi
}

proctype subscriber(byte me)
{
	byte next, told, answered, position, my_sleep, my_bell;

	do
	:: next == MESSAGES -> break
	:: next < MESSAGES && head != next ->
	   assert(next < head && head - told <= DEPTH);
	   next++;
	   if
	   :: tell() /* it is time to, or somebody waits */
	   :: !waiting
	   fi
	:: next < MESSAGES && head == next -> rest()
	od;
	tell()
}

init
{
	byte i;

	atomic {
		do
		:: i < SUBS -> run subscriber(i); i++
		:: else -> break
		od;
		i = 0
	}
}
