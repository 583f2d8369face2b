/*
 * mail.h - messages between workers: "link a with b".
 *
 *	sender: slot[tail & mask] = {a, b} ... commit ... tail (release) ... inbox bit of the receiver (a full barrier) ... asleep?
 *	receiver, at each tick: inbox ... tail (acquire) ... slots ... commit ... head (release)
 *
 * A message goes to the owner of a variable in it; a redex may go to anybody. Order does not matter, so what finds the
 * ring full is put aside in the sender's memory and sent later: nobody waits for anybody, nothing can deadlock.
 */
#ifndef REDUCER_NET_MAIL_H
#define REDUCER_NET_MAIL_H

#include "reducer/net/worker.h"

/* mail_send() - to worker @to; seen by it after the next commit. Works on w->hot: of many the commit is soon. */
plx_cold void mail_send(struct worker *w, uint32_t to, port a, port b);

/* mail_show() - after a commit: all that was sent can be seen, and who sleeps is woken. */
void mail_show(struct worker *w);

/* mail_retry() - send what was put aside, as far as there is room now. */
void mail_retry(struct worker *w);

/* mail_arrived() - take the notes of who has sent something; one load when nobody has. */
uint64_t mail_arrived(struct worker *w);

/* mail_wake() - ring the bell of a worker that may be asleep. */
void mail_wake(struct worker *w, uint32_t who);

#endif
