/*
 * mpmc.pml - many senders, many receivers, one ring of cells; some of them die, wherever they are.
 *
 * A cell says of itself which position it is for, its state, and who works at it, all in one word. Everything else is a
 * hint: where to begin to look for a free cell, and for a full one. Each load, store and compare-and-swap of shared memory is
 * a step of its own, and before each step its process may stop for ever. Two others bury the dead, at the same time and
 * as slowly as they like: what a dead sender was writing was never sent, what a dead receiver was reading was never
 * received; then the seat is free, and a successor with the next generation goes on.
 *
 * With -DLEAVES one receiver may go home, and nobody comes in its place, nor when it dies; -DONE_SENDER leaves room for
 * more deaths. When nothing can move any more, all messages were sent, and each has come exactly once; or somebody waits
 * for ever.
 *
 *	sender, receiver   libshm/chan/mpmc.c
 *	burier             libshm/chan/mpmc.c: plx_cells_bury(); libshm/chan/seat.c: bury()
 *
 *	BUG_CLAIM_BY_STORE           a free cell is looked at, then claimed by a store
 *	BUG_FULL_BEFORE_ELEMENT      a cell is full before the element is in it
 *	BUG_EMPTY_BEFORE_COPY        a cell is free before the element was copied out of it
 *	BUG_WRITTEN_IS_SENT          what a dead sender was writing is received
 *	BUG_READ_IS_RECEIVED         what a dead receiver was reading is gone
 *	BUG_NOBODY_LOOKS_BEHIND      a receiver does not look at the cells behind it when one came back from the dead
 *	BUG_RETURN_UNSAID            ... or is not told
 *	BUG_WRITING_PASSED_FOR_GOOD  a cell that is being written is passed over and not come back to
 *	BUG_TOO_FAR                  a receiver that is laps late jumps to the lap before the one that a cell is empty for
 *	BUG_CELLS_STAY               cells of the dead stay as they are
 *	BUG_BURY_BY_STORE            a dead one's cell is looked at, then given up by a store
 *	BUG_NO_GENERATION            a cell says whose it is, but not since when
 */
#define CELLS 2
#ifndef EACH
#define EACH 1 /* messages of a sender, at most 2 */
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef BURIERS
#define BURIERS 2
#endif
#ifdef ONE_SENDER
#define SENDERS 1
#else
#define SENDERS 2
#endif
#define ALL	 4 /* numbers 0, 1 send; 2, 3 receive */
#define MESSAGES (SENDERS * EACH)

#define EMPTY	0
#define WRITING 1
#define FULL	2
#define READING 3
#define NOBODY	255
#define NOWHERE 255

/* the channel */
byte position[CELLS], state[CELLS], owner[CELLS], element[CELLS];
byte tail_hint, returned;
byte generation[ALL];
bool dead[ALL];

/* what nobody sees */
byte deaths = DEATHS;
bool changed[ALL], sent[MESSAGES + 1], got[MESSAGES + 1];

#ifdef BUG_NO_GENERATION
#define ours	    me
#define whose(x, g) x
#else
#define ours	    (me + ALL * generation[me])
#define whose(x, g) ((x) + ALL * (g))
#endif
#define at(p) ((p) % CELLS)
#define AHEAD 1 /* cells past one that is being written at which a receiver looks */
/* Of what lies this far before a cell's position, everything was received. */
#ifdef BUG_TOO_FAR
#define FAR(c) CELLS
#else
#define FAR(c) (state[c] == EMPTY -> 2 * CELLS : CELLS)
#endif

/* Who waits looks again when anything has changed: that nobody sleeps through it is another story. */
inline tell_all()
{
	changed[0] = true;
	changed[1] = true;
	changed[2] = true;
	changed[3] = true
}

inline set(c, new_position, new_state, new_owner)
{
	position[c] = new_position;
	state[c] = new_state;
	owner[c] = new_owner;
	tell_all()
}

#define OR_DIE :: atomic { deaths > 0 -> deaths--; dead[me] = true; tell_all(); goto gone }

proctype sender(byte me)
{
	byte t, m;

next:
	atomic {
		m = 0;
		if
		:: !sent[me * EACH + 1] -> m = me * EACH + 1
		:: EACH == 2 && sent[me * EACH + 1] && !sent[me * EACH + EACH] -> m = me * EACH + EACH
		:: else -> goto done
		fi
	}
again:
	if
	:: atomic { changed[me] = false; t = (tail_hint > t -> tail_hint : t) }
	OR_DIE
	fi;
look:
	if
	:: atomic {
		if
		:: position[at(t)] == t && state[at(t)] == EMPTY ->
#ifdef BUG_CLAIM_BY_STORE
			goto store
#else
			set(at(t), t, WRITING, ours);
			goto claimed
#endif
		:: position[at(t)] < t -> goto no_room
		:: else -> t = (position[at(t)] > CELLS + t -> position[at(t)] - CELLS + 1 : t + 1); goto look
		fi
	}
	OR_DIE
	fi;
no_room:
	if
	:: atomic { changed[me] -> goto again }
	OR_DIE
	fi;
#ifdef BUG_CLAIM_BY_STORE
store:
	atomic { set(at(t), t, WRITING, ours) };
#endif
claimed:
	if
	:: atomic { tail_hint = t + 1; tell_all() } /* also when it is further already */
	OR_DIE
	fi;
#ifdef BUG_FULL_BEFORE_ELEMENT
	if
	:: atomic { set(at(t), t, FULL, NOBODY); sent[m] = true }
	OR_DIE
	fi;
	element[at(t)] = m;
#else
	if
	:: element[at(t)] = m
	OR_DIE
	fi;
	if
	:: atomic { set(at(t), t, FULL, NOBODY); sent[m] = true }
	OR_DIE
	fi;
#endif
	goto next;
gone:
	atomic { !dead[me] -> t = 0; goto next } /* a successor */
done:
	t = 0
}

proctype receiver(byte me)
{
	byte h, next, stay = NOWHERE, seen = NOWHERE, r, copy, i, first;

again:
	if
	:: atomic { changed[me] = false; h = next; stay = NOWHERE }
#ifdef LEAVES
	:: atomic { me == 3 -> goto left }
#endif
	OR_DIE
	fi;
look:
	if
	:: atomic {
		if
		:: position[at(h)] == h && state[at(h)] == FULL ->
			set(at(h), h, READING, ours);
			next = (stay != NOWHERE -> stay : h + 1);
			stay = NOWHERE;
			goto claimed
		:: position[at(h)] < h || (position[at(h)] == h && state[at(h)] == EMPTY) ->
			next = (stay != NOWHERE -> stay : h);
			goto nothing
#ifdef BUG_WRITING_PASSED_FOR_GOOD
		:: position[at(h)] == h && state[at(h)] == WRITING -> h++; goto look
#else
		:: position[at(h)] == h && state[at(h)] == WRITING -> /* passed over, but we do not move on */
			stay = (stay != NOWHERE -> stay : h);
			if
			:: h - stay >= AHEAD -> next = stay; goto nothing
			:: else -> h++; goto look
			fi
#endif
		:: else -> /* a lap late, or more: what was before the cell's own lap has been received */
			r = FAR(at(h));
			h = (position[at(h)] >= r + h + 1 -> position[at(h)] - r : h + 1);
			r = 0;
			goto look
		fi
	}
	OR_DIE
	fi;
nothing:
	atomic { h = 0; stay = NOWHERE };
#ifndef BUG_NOBODY_LOOKS_BEHIND
	/* What came back from the dead may lie behind us: look at each cell, once for each burial. */
	if
	:: atomic { returned == seen -> goto end_wait }
	:: atomic { returned != seen -> r = returned; first = NOWHERE }
	OR_DIE
	fi;
	do
	:: i < CELLS ->
		if
		:: atomic {
			if
			:: state[i] == FULL && position[i] < first -> first = position[i]
			:: else
			fi;
			i++
		}
		OR_DIE
		fi
	:: atomic { i == CELLS -> i = 0; break }
	od;
	atomic {
		if
		:: first < next -> next = first; first = 0; r = 0; goto again
		:: else -> seen = r; first = 0; r = 0
		fi
	};
#endif
end_wait:
	if
	:: atomic { changed[me] -> goto again }
	OR_DIE
	fi;
claimed:
#ifdef BUG_EMPTY_BEFORE_COPY
	atomic { set(at(h), h + CELLS, EMPTY, NOBODY) };
	atomic { copy = element[at(h)]; assert(copy != 0 && sent[copy] && !got[copy]); got[copy] = true };
#else
	if
	:: copy = element[at(h)]
	OR_DIE
	fi;
	if
	:: atomic {
		assert(owner[at(h)] == ours && position[at(h)] == h);
		assert(copy != 0 && sent[copy] && !got[copy]);
		got[copy] = true;
		set(at(h), h + CELLS, EMPTY, NOBODY);
		copy = 0
	}
	OR_DIE
	fi;
#endif
	goto again;
gone:
end_gone:
#ifdef LEAVES
	me != 3;
#endif
	atomic { !dead[me] -> h = 0; next = 0; stay = NOWHERE; seen = NOWHERE; r = 0; first = 0; copy = 0; i = 0; goto again };
left:
	skip
}

inline vacate()
{
	atomic {
		if
		:: dead[x] && generation[x] == g -> generation[x] = g + 1; dead[x] = false
		:: else
		fi
	}
}

proctype burier()
{
	byte x, g, i, word_position, word_state;

end_idle:
	if
	:: atomic { dead[0] -> x = 0; g = generation[x] }
	:: atomic { dead[1] -> x = 1; g = generation[x] }
	:: atomic { dead[2] -> x = 2; g = generation[x] }
	:: atomic { dead[3] -> x = 3; g = generation[x] }
	fi;
#ifndef BUG_CELLS_STAY
	do
	:: i < CELLS ->
		atomic {
			if
			:: owner[i] == whose(x, g) && (state[i] == WRITING || state[i] == READING) ->
				word_position = position[i];
				word_state = state[i]
			:: else -> word_state = EMPTY
			fi
		};
		atomic { /* compare-and-swap */
			if
#ifdef BUG_BURY_BY_STORE
			:: word_state != EMPTY ->
#else
			:: word_state != EMPTY && owner[i] == whose(x, g) && state[i] == word_state &&
				position[i] == word_position ->
#endif
				if
#ifdef BUG_WRITTEN_IS_SENT
				:: word_state == WRITING -> set(i, word_position, FULL, NOBODY)
#else
				:: word_state == WRITING -> set(i, word_position + CELLS, EMPTY, NOBODY)
#endif
#ifdef BUG_READ_IS_RECEIVED
				:: word_state == READING -> set(i, word_position + CELLS, EMPTY, NOBODY)
#else
				:: word_state == READING -> set(i, word_position, FULL, NOBODY)
#endif
				fi
			:: else
			fi;
			word_state = 0;
			word_position = 0;
			i++
		}
	:: atomic { i == CELLS -> i = 0; break }
	od;
#endif
#ifndef BUG_RETURN_UNSAID
	atomic { returned++; tell_all() };
#endif
	vacate();
	atomic { x = 0; g = 0; goto end_idle }
}

init
{
	byte i;

	atomic {
		position[1] = 1;
		owner[0] = NOBODY;
		owner[1] = NOBODY;
		run sender(0);
#ifndef ONE_SENDER
		run sender(1);
#endif
		run receiver(2);
		run receiver(3);
		run burier();
#if BURIERS == 2
		run burier()
#endif
	}
	/* nothing can move any more */
	atomic {
		timeout;
		do
		:: i < MESSAGES -> i++; assert(sent[i] && got[i])
		:: else -> break
		od
	}
}
