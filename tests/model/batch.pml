/*
 * batch.pml - a sender that works in batches, a receiver that does, and both die anywhere, again and again.
 *
 * A batch of the sender changes its memory, having noted what was there, and writes a message where its receiver does not look yet.
 * The commit is one store: it switches between two records, and makes the note void. Then the sender shows how far its
 * messages go. The receiver takes one, adds it to what it has, commits that in the same way, and then shows that the place is free. Who
 * comes after a dead one puts back what is noted, if it was of the batch after the last commit, and shows again what the record says.
 *
 * What is to be shown: memory and record fit together after each recovery, and every message comes once and in order, through a
 * ring of one place.
 *
 *	sender, receiver  reducer/net: batch_note_word(), batch_commit(), batch_recover()
 *
 *	BUG_NOTED_AFTERWARDS   memory is changed, then noted
 *	BUG_NOTE_OF_ANY_BATCH  a note counts whatever batch it is of
 *	BUG_NOTHING_PUT_BACK   who comes after goes on from what it finds
 *	BUG_RECORD_IN_PLACE    the record that counts is written
 *	BUG_COMMIT_FIRST       the store that switches comes before the record is whole
 *	BUG_SHOWN_EARLY        the message is shown before the commit
 *	BUG_NOT_SHOWN_AGAIN    who comes after does not show what was committed
 *	BUG_TAKEN_EARLY        the place is shown as free before what was taken is committed
 */
#ifndef MESSAGES
#define MESSAGES 3
#endif
#ifndef DEATHS
#define DEATHS 2
#endif

byte deaths = DEATHS;
/* the ring */
byte slot, tail, head;
/* the sender: memory holds the number of the last message, the record says so */
byte memory, note, note_of, seq, s_count[2], s_tail[2];
/* the receiver: what it has got is in its record */
byte r_seq, r_count[2], r_head[2];
bool s_dead, r_dead;

#define OR_DIE(who) :: atomic { deaths > 0 -> deaths--; who = true; goto gone }
#define now	    (seq & 1)
#define next	    (1 - (seq & 1))
#define r_now	    (r_seq & 1)
#define r_next	    (1 - (r_seq & 1))

/* A step, or death instead of it. */
#define S(step) if :: step OR_DIE(s_dead) fi
#define R(step) if :: step OR_DIE(r_dead) fi

active proctype sender()
{
	byte count, end;

recover:
	s_dead = false;
#ifndef BUG_NOTHING_PUT_BACK
	if
#ifdef BUG_NOTE_OF_ANY_BATCH
	:: note_of != 0 -> S(memory = note)
#else
	:: note_of == seq + 1 -> S(memory = note)
#endif
	:: else
	fi;
#endif
	assert(memory == s_count[now]);
	count = s_count[now];
	end = s_tail[now];
#ifndef BUG_NOT_SHOWN_AGAIN
	S(tail = end);
#endif
	do
	:: count < MESSAGES && end == head ->
#ifdef BUG_NOTED_AFTERWARDS
		S(memory = count + 1);
		S(note = count);
		S(note_of = seq + 1);
#else
		S(note = memory);
		S(note_of = seq + 1);
		S(memory = count + 1);
#endif
		count++;
		S(slot = count);
		end++;
#ifdef BUG_SHOWN_EARLY
		S(tail = end);
#endif
#ifdef BUG_RECORD_IN_PLACE
		S(s_count[now] = count);
		S(s_tail[now] = end);
#endif
#ifdef BUG_COMMIT_FIRST
		S(seq = seq + 1);
		S(s_count[now] = count);
		S(s_tail[now] = end);
#else
		S(s_count[next] = count);
		S(s_tail[next] = end);
		S(seq = seq + 1);
#endif
		S(tail = end)
	:: count == MESSAGES && tail == MESSAGES -> break
	:: else -> count < MESSAGES && end == head /* the place is taken: wait */
	od;
	goto over;
gone:
	goto recover;
over:
	skip
}

active proctype receiver()
{
	byte got, at;

recover:
	r_dead = false;
	got = r_count[r_now];
	at = r_head[r_now];
	R(head = at);
	do
	:: got < MESSAGES && at != tail ->
		assert(slot == got + 1); /* each once, and in order */
		got = slot;
		at++;
#ifdef BUG_TAKEN_EARLY
		R(head = at);
#endif
		R(r_count[r_next] = got);
		R(r_head[r_next] = at);
		R(r_seq = r_seq + 1);
		R(head = at)
	:: got == MESSAGES -> break
	:: else -> got < MESSAGES && at != tail
	od;
	goto over;
gone:
	goto recover;
over:
	skip
}
